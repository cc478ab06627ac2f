/** How the fields of a record are told apart. Each is one ASCII character. */
export interface FieldSyntax {
  readonly delimiter: string;
  /** Empty: nothing is quoted. */
  readonly quote: string;
  /** What stands before a quote inside quotes: another quote, or an escape character. */
  readonly escape: string;
}

/** RFC 4180. */
export const STANDARD_SYNTAX: FieldSyntax = { delimiter: ",", quote: '"', escape: '"' };

/** The text of a field as it stands in the file: without its quotes, if it has any. Pure. */
export function textOf(field: string, { quote, escape }: FieldSyntax): string {
  if (quote === "" || field.length < 2 || !field.startsWith(quote)) return field;
  const content = field.slice(1, -1);
  if (!content.includes(escape)) return content;
  let text = "";
  for (let at = 0; at < content.length; at++) {
    if (content[at] === escape) at += 1;
    text += content[at] ?? "";
  }
  return text;
}

/** The code of an ASCII character; 0 for none. */
export const codeOf = (character: string): number =>
  character === "" ? 0 : character.charCodeAt(0);
