/** RFC 4180, an unquoted empty field being NULL. */
export function parseCsv(text: string): (string | null)[][] {
  const records: (string | null)[][] = [];
  let record: (string | null)[] = [];
  let at = 0;
  while (at < text.length) {
    let field: string | null;
    if (text[at] === '"') {
      field = "";
      at++;
      for (;;) {
        const quote = text.indexOf('"', at);
        field += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        field += '"';
        at++;
      }
    } else {
      const end = at + text.slice(at).search(/,|\r\n/);
      field = end === at ? null : text.slice(at, end);
      at = end;
    }
    record.push(field);
    if (text[at] === ",") at++;
    else {
      at += 2;
      records.push(record);
      record = [];
    }
  }
  return records;
}
