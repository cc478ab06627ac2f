import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CodecRegistry } from "../core/codec.ts";
import { CodedUploads } from "../plugins/ingest-csv/coded-upload.ts";
import { silentLog } from "./support/silent-log.ts";
import { Removals } from "../plugins/ingest-csv/removals.ts";
import { Spool } from "../plugins/ingest-csv/spool.ts";
import { receiveUpload, type UploadLabel } from "../plugins/ingest-csv/upload.ts";

let scratch = "";
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "lakehouse-upload-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const BOUNDARY = "----boundary";

interface Received {
  readonly label: UploadLabel | undefined;
  readonly text: string;
  readonly size_bytes: number;
  readonly sha256: string;
}

async function receive(
  body: Uint8Array,
  {
    limit_bytes = 1 << 20,
    chunk_bytes = 1 << 16,
    type = `multipart/form-data; boundary=${BOUNDARY}`,
  } = {},
): Promise<Received> {
  await using spool = await Spool.create(scratch, new Removals(silentLog));
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= body.length) return controller.close();
      controller.enqueue(body.slice(at, at + chunk_bytes));
      at += chunk_bytes;
    },
  });
  const request = new Request("http://localhost/ingest", {
    method: "POST",
    body: stream,
    headers: { "content-type": type },
  });
  let label: UploadLabel | undefined;
  const coded = new CodedUploads(new CodecRegistry(), { decoded_bytes: 1, decoded_ratio: 1 });
  await receiveUpload(
    request,
    { limit_bytes, coded },
    {
      begin: (given) => {
        label = given;
      },
      write: (bytes) => spool.write(bytes),
    },
  );
  await spool.finish();
  const { size_bytes } = spool;
  const sha256 = await spool.sha256();
  return { label, text: await readFile(spool.upload_path, "utf8"), size_bytes, sha256 };
}

const part = (content: string, disposition: string, type = "text/csv"): string =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: ${type}\r\n\r\n${content}\r\n`;
const FILE = 'name="file"; filename="data.csv"';
const form = (...parts: string[]): Buffer => Buffer.from(`${parts.join("")}--${BOUNDARY}--\r\n`);

describe("a multipart body", () => {
  test("gives the bytes of the field `file`, and what the client calls them", async () => {
    const received = await receive(
      form(
        part("ignored", 'name="note"'),
        part("a,b\r\n1,2\r\n", 'name="file"; filename="Größe.csv"'),
      ),
    );
    expect(received).toMatchObject({
      text: "a,b\r\n1,2\r\n",
      size_bytes: 10,
      label: { media_type: "text/csv", file_name: "Größe.csv" },
    });
    expect(received.sha256).toBe(
      new Bun.CryptoHasher("sha256").update("a,b\r\n1,2\r\n").digest("hex"),
    );
  });

  test("gives the same bytes however it is cut into chunks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 400 }),
        fc.integer({ min: 1, max: 80 }),
        async (content, chunk_bytes) => {
          fc.pre(!content.includes(BOUNDARY));
          const received = await receive(form(part(content, FILE)), { chunk_bytes });
          expect(received.text).toBe(content);
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([
    ["no field `file`", form(part("a", 'name="other"; filename="x.csv"'))],
    ["two fields `file`", form(part("a", FILE), part("b", FILE))],
    ["no part at all", Buffer.from(`--${BOUNDARY}--\r\n`)],
    ["nothing", Buffer.alloc(0)],
    ["no multipart inside", Buffer.from("a,b\n1,2\n")],
    ["an end within the file", form(part("a,b\r\n1,2", FILE)).subarray(0, 120)],
    ["an end within the headers", form(part("a", FILE)).subarray(0, 40)],
    ["too many parts", form(...Array.from({ length: 40 }, (_, n) => part("x", `name="f${n}"`)))],
  ])("with %s is refused", (_what, body) => {
    expect(receive(body)).rejects.toMatchObject({ code: "invalid_multipart" });
  });

  test("cut anywhere is refused, never taken for a shorter file", async () => {
    const whole = form(part("a,b\r\n1,2\r\n3,4", FILE));
    for (let length = 0; length < whole.length - 4; length++) {
      const outcome = await receive(whole.subarray(0, length), { chunk_bytes: 7 }).catch(
        (error: unknown) => error,
      );
      expect(outcome).toMatchObject({ code: "invalid_multipart" });
    }
  });

  test("without a boundary is refused", () => {
    expect(receive(form(part("a", FILE)), { type: "multipart/form-data" })).rejects.toMatchObject({
      code: "invalid_multipart",
    });
  });
});

test("a body above the limit is refused while it arrives, and nothing is left behind", async () => {
  const large = Buffer.alloc(100_000, "x");
  for (const type of ["text/csv", undefined]) {
    const options = {
      limit_bytes: 50_000,
      chunk_bytes: 1000,
      ...(type === undefined ? {} : { type }),
    };
    const body = type === undefined ? form(part(large.toString(), FILE)) : large;
    expect(receive(body, options)).rejects.toMatchObject({ code: "body_too_large" });
  }
  expect(await readdir(scratch)).toEqual([]);
});
