let watched = false;

/**
 * Standard output is for results, standard error for everything said about them. When the reader
 * of a pipe goes away (`| head`), the program ends quietly: nobody is left to be told. On first
 * use, because a worker process must not touch its standard output at all.
 */
function endQuietlyOnClosedPipe(): void {
  if (watched) return;
  watched = true;
  process.stdout.on("error", onStreamError);
  process.stderr.on("error", onStreamError);
}

function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
}

/** Writes a result and waits until the pipe took it, so that memory stays bounded. */
export async function print(text: string | Uint8Array): Promise<void> {
  endQuietlyOnClosedPipe();
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error instanceof Error && !("code" in error && error.code === "EPIPE")) reject(error);
      else resolve();
    });
  });
}

/** A line about the work, not of its result. */
export function say(line: string): void {
  endQuietlyOnClosedPipe();
  process.stderr.write(`${line}\n`);
}

/** `error: …` and, if there is one, `hint: …`. */
export function sayError(detail: string, hint?: string): void {
  say(`error: ${detail}`);
  if (hint !== undefined) say(`hint: ${hint}`);
}
