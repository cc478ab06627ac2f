import { LakehouseError } from "../../core/error.ts";

/** Code points of bytes 0x80 to 0x9F; 0 where Windows-1252 has no character. */
const HIGH_CONTROLS = [
  0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152,
  0, 0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161,
  0x203a, 0x0153, 0, 0x017e, 0x0178,
];

/**
 * Windows-1252 to UTF-8, chunk by chunk (WHATWG Encoding, index-windows-1252). The five bytes that
 * have no character are refused, where the standard would make control characters of them: a file
 * that holds them is in another encoding, or no text at all.
 */
export function windows1252ToUtf8(): (chunk: Uint8Array | undefined) => Uint8Array {
  let position = 0;
  return (chunk) => {
    if (chunk === undefined) return new Uint8Array(0);
    const out = new Uint8Array(chunk.length * 3);
    let length = 0;
    for (const byte of chunk) {
      if (byte < 0x80) {
        out[length++] = byte;
      } else {
        const code = byte >= 0xa0 ? byte : (HIGH_CONTROLS[byte - 0x80] ?? 0);
        if (code === 0) throw undefinedByte(byte, position);
        if (code < 0x800) {
          out[length++] = 0xc0 | (code >> 6);
        } else {
          out[length++] = 0xe0 | (code >> 12);
          out[length++] = 0x80 | ((code >> 6) & 0x3f);
        }
        out[length++] = 0x80 | (code & 0x3f);
      }
      position += 1;
    }
    return out.subarray(0, length);
  };
}

function undefinedByte(byte: number, offset: number): LakehouseError {
  const hex = `0x${byte.toString(16).toUpperCase()}`;
  return new LakehouseError(
    "invalid_csv",
    `The file is neither UTF-8 nor Windows-1252: the byte ${hex} is in neither.`,
    {
      hint: "Save it as UTF-8, or name its encoding with encoding=.",
      extra: { offset, reason: "unknown_encoding" },
    },
  );
}
