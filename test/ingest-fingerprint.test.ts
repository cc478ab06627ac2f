import { expect, test } from "bun:test";
import { schemaFingerprint } from "../plugins/ingest-csv/fingerprint.ts";

/**
 * Every stored manifest depends on these bytes. The expected values come from another program:
 * `hashlib.sha256(b"".join(n + b"\x1f" + t + b"\x1e" …)).hexdigest()` in Python.
 */
test.each([
  [
    [
      ["id", "int64"],
      ["name", "utf8"],
    ],
    "293f0ddbb873f5da65f02282c2398ce7597f2bd837fac219f1b1b350bb83dde5",
  ],
  [
    [
      ["name", "utf8"],
      ["id", "int64"],
    ],
    "b48e9936d91d4f56bc9606248182551248d4280c8afcb73fd83aaa89df1fda45",
  ],
  [
    [
      ["a", "int64"],
      ["b", "float64"],
      ["c", "bool"],
      ["d", "utf8"],
      ["e", "date32[day]"],
      ["f", "timestamp[us]"],
      ["g", "timestamp[us, tz=UTC]"],
      ["h", "decimal128(38, 9)"],
    ],
    "d683d6b743a41c6d92598b492470da0ba138f9fad5c6a5ae14a60d60c9349e87",
  ],
  [[["Größe €", "float64"]], "586a7ee17ea861ec4aa33dda59e3b250dfa8d746037e840b266feb99b5d75aae"],
  [[], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
])("the fingerprint of %j is fixed for ever", (columns, hex) => {
  const typed = columns.map(([name = "", type = ""]) => ({ name, type }));
  expect(schemaFingerprint(typed)).toBe(`sha256:${hex}`);
});
