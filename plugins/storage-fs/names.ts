/**
 * Keys as file names. A reader of the disk finds `datasets/cities/…/x.parquet` as just that; what
 * a file system might change, fold or refuse is percent-encoded, so that every key comes back from
 * a listing exactly as it was put. Pure; no I/O.
 *
 * - Literal: `A–Z a–z 0–9 . _ -`; any other byte of UTF-8 is `%XX` (upper-case hex). Unicode
 *   normalisation of a file system therefore never meets a key.
 * - Also encoded: a dot at the start (hidden, and our own `.lakehouse`) or at the end, and the first
 *   letter of a device name (`con`, `nul.txt`: refused by Windows). With `encode_case` upper-case
 *   letters too, for file systems that fold case.
 * - A name too long for a file system is cut into pieces: every piece but the last is a folder whose
 *   name ends in `%-`.
 * - Where an object and a folder want one name, the second to come gets a bare `%` at the end.
 *
 * An escape is always followed by two hex digits, so neither ending can be part of a name.
 */
export interface NameRules {
  /** Encode upper-case letters: for roots where `A` and `a` are one file. */
  readonly encode_case: boolean;
}

/** What the second comer's name ends in, where a file and a folder share one. */
export const TWIN_MARK = "%";
/** What the name of a folder ends in that holds the rest of a long name. */
export const CONTINUED_MARK = "%-";

/** The longest file name of nearly every file system is 255 bytes; one is kept for `TWIN_MARK`. */
const NAME_LIMIT_BYTES = 254;
const PIECE_BYTES = 240;

const PLAIN = /^[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?$/;
const UPPER_CASE = /[A-Z]/;
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;
const ENCODED = /^(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+$/;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** True if the segment is its own name: the common case, told apart without building anything. */
export function isPlain(segment: string, rules: NameRules): boolean {
  return (
    segment.length <= NAME_LIMIT_BYTES &&
    PLAIN.test(segment) &&
    !DEVICE.test(segment) &&
    !(rules.encode_case && UPPER_CASE.test(segment))
  );
}

/** The names of one segment, outermost first: folders ending in `%-`, then the name itself. */
export function namesOf(segment: string, rules: NameRules): readonly string[] {
  if (isPlain(segment, rules)) return [segment];
  let rest = encode(segment, rules);
  if (rest.length <= NAME_LIMIT_BYTES) return [rest];
  const names: string[] = [];
  while (rest.length > PIECE_BYTES) {
    const cut = PIECE_BYTES - cutEscapeChars(rest);
    names.push(rest.slice(0, cut) + CONTINUED_MARK);
    rest = rest.slice(cut);
  }
  return [...names, rest];
}

/**
 * The segment that these pieces (without their marks) stand for; undefined if this codec would not
 * have written them, so that strange files are never taken for objects.
 */
export function segmentOf(pieces: readonly string[], rules: NameRules): string | undefined {
  const [only = ""] = pieces;
  if (pieces.length === 1 && isPlain(only, rules)) return only;
  const encoded = pieces.join("");
  if (!ENCODED.test(encoded)) return undefined;
  const segment = decode(encoded);
  if (segment === undefined) return undefined;
  const names = namesOf(segment, rules);
  const same =
    names.length === pieces.length &&
    names.every((name, at) => name === pieces[at] + (at < names.length - 1 ? CONTINUED_MARK : ""));
  return same ? segment : undefined;
}

function encode(segment: string, rules: NameRules): string {
  const literal = rules.encode_case ? /[a-z0-9._-]/ : /[A-Za-z0-9._-]/;
  const bytes = Buffer.from(segment);
  const device = DEVICE.test(segment);
  let name = "";
  for (const [at, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte);
    const edge_dot = character === "." && (at === 0 || at === bytes.length - 1);
    const escape = !literal.test(character) || edge_dot || (device && at === 0);
    name += escape ? `%${byte.toString(16).toUpperCase().padStart(2, "0")}` : character;
  }
  return name;
}

function decode(encoded: string): string | undefined {
  const bytes = Buffer.from(
    encoded.replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    "latin1",
  );
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** How many characters a cut at `PIECE_BYTES` must step back so as not to split an escape. */
function cutEscapeChars(encoded: string): 0 | 1 | 2 {
  if (encoded[PIECE_BYTES - 1] === "%") return 1;
  if (encoded[PIECE_BYTES - 2] === "%") return 2;
  return 0;
}
