import { LakehouseError } from "../../core/error.ts";

/** What a client is told of a record with too many bytes or, without a limit of those, fields. */
export function recordTooLong({
  line,
  limit_bytes,
}: {
  readonly line: number;
  readonly limit_bytes: number | undefined;
}): LakehouseError {
  if (limit_bytes === undefined) {
    return new LakehouseError(
      "limit_exceeded",
      `The record that begins in line ${line} has too many fields.`,
      {
        hint: "Name the delimiter with delimiter=, or look for line ends that are missing.",
        extra: { line },
      },
    );
  }
  return new LakehouseError(
    "limit_exceeded",
    `The record that begins in line ${line} is longer than ${limit_bytes} bytes.`,
    {
      hint: "Look for a quote that is never closed, or raise cell_bytes under [limits].",
      extra: { line, limit_bytes },
    },
  );
}
