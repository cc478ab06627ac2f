/** A file that Bun embeds: the import gives its path, also inside a compiled binary. */
declare module "*.wasm" {
  const path: string;
  export = path;
}
