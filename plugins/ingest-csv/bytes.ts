/** The bytes that carry structure in a CSV file (RFC 4180 §2). */
export const LF = 0x0a;
export const CR = 0x0d;
