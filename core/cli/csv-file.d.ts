/** A file that Bun embeds: the import gives its path, also inside a compiled binary. */
declare module "*.csv" {
  const path: string;
  export = path;
}
