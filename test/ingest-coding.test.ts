import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { gzipCoding, zstdCoding } from "../plugins/ingest-csv/content-coding.ts";
import { hasCode } from "../core/error.ts";
import { nothingStored, spools } from "./support/ingest-answers.ts";
import {
  assertProblem,
  okJson,
  programCommand,
  startServer,
  type TestServer,
} from "./support/server.ts";
import { until } from "./support/uploads.ts";

/** Compressed uploads: the same data, compressed or not, is the same dataset. */

const SALES = "id,city,amount\n1,Zürich,9.50\n2,Bern,12\n3,,0.25\n";
const seed = process.env["LAKEHOUSE_TEST_SEED"];
const runs = seed === undefined ? {} : { seed: Number(seed) };

const compressions = [
  ["gzip", ".gz", (data: Uint8Array | string): Buffer => gzipSync(data)],
  ["zstd", ".zst", (data: Uint8Array | string): Buffer => zstdCompressSync(data)],
] as const;

const upload = (
  server: TestServer,
  body: string | Uint8Array | FormData,
  headers: Record<string, string> = {},
  name = "sales",
): Promise<Response> => server.fetch(`/ingest?name=${name}`, { method: "POST", body, headers });

const csv = (coding: string): Record<string, string> => ({
  "content-type": "text/csv",
  "content-encoding": coding,
});

function form(bytes: Uint8Array, file_name: string, type = "application/octet-stream"): FormData {
  const data = new FormData();
  data.append("file", new File([Buffer.from(bytes)], file_name, { type }));
  return data;
}

/** Pseudo-random text that hardly compresses. */
function noise(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  let state = 12_345;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    data[i] = 97 + ((state >> 16) % 26);
  }
  return data;
}

async function decode(
  coding: typeof gzipCoding,
  bytes: Uint8Array,
  chunk_bytes = 1 << 16,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  async function* parts(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += chunk_bytes)
      yield bytes.subarray(at, at + chunk_bytes);
  }
  for await (const chunk of coding.decode(parts())) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("a compressed upload", () => {
  test("is the dataset, and the object, that the file without compression is", async () => {
    await using server = await startServer();
    const plain = await okJson(await upload(server, SALES, { "content-type": "text/csv" }));
    for (const [coding, suffix, compress] of compressions) {
      const bytes = compress(SALES);
      const answers = [
        await upload(server, bytes, csv(coding)),
        await upload(server, form(bytes, `sales.csv${suffix}`)),
        await upload(server, form(bytes, `sales.csv${suffix}`, `application/${coding}`)),
        await upload(server, form(bytes, `SALES.CSV${suffix.toUpperCase()}`, "text/csv")),
        await upload(server, bytes, { "content-type": `application/${coding}` }),
      ];
      for (const response of answers) {
        expect(await okJson(response)).toMatchObject({
          existing: true,
          row_count: 3,
          parquet_key: plain["parquet_key"],
        });
      }
    }
    const answer = await okJson(await server.post("/sql", { sql: "SELECT * FROM sales" }));
    expect(answer["rows"]).toEqual([
      [1, "Zürich", 9.5],
      [2, "Bern", 12],
      [3, null, 0.25],
    ]);
  });

  test("may be in two codings, spelled as clients spell them, or in several members", async () => {
    await using server = await startServer();
    const half = SALES.length >> 1;
    const members = compressions.map(([, , compress]) =>
      Buffer.concat([compress(SALES.slice(0, half)), compress(SALES.slice(half))]),
    );
    for (const [body, coding] of [
      [zstdCompressSync(gzipSync(SALES)), "gzip, zstd"],
      [gzipSync(SALES), "X-GZIP"],
      [gzipSync(SALES), " identity , gzip"],
      [members[0], "gzip"],
      [members[1], "zstd"],
    ] as const) {
      expect(await okJson(await upload(server, body ?? "", csv(coding)))).toMatchObject({
        row_count: 3,
      });
    }
  });

  test("in a coding that is not known, or in too many, is refused with those that are", async () => {
    await using server = await startServer();
    for (const coding of ["br", "deflate", "gzip, br", "gzip, gzip, gzip", "aws-chunked"]) {
      const problem = await assertProblem(await upload(server, SALES, csv(coding)), {
        status: 415,
        code: "unsupported_media_type",
      });
      expect(problem["supported"]).toEqual(["gzip", "zstd"]);
    }
    await nothingStored(server);
  });

  test("that does not say so is refused and told what to say", async () => {
    await using server = await startServer();
    for (const [coding, , compress] of compressions) {
      for (const type of ["text/csv", "application/octet-stream"]) {
        const response = await upload(server, compress(SALES), { "content-type": type });
        const problem = await assertProblem(response, {
          status: 415,
          code: "unsupported_media_type",
        });
        expect(problem["hint"]).toContain(`Content-Encoding: ${coding}`);
      }
    }
    await nothingStored(server);
  });
});

describe("a damaged compressed upload", () => {
  test.each(compressions)("of %s is refused, and nothing is stored", async (...given) => {
    const [coding, suffix, compress] = given;
    await using server = await startServer();
    const whole = compress(SALES);
    for (const body of [
      whole.subarray(0, -1),
      whole.subarray(0, 5),
      Buffer.alloc(0),
      Buffer.concat([whole, Buffer.from("more")]),
      Buffer.concat([whole, whole.subarray(0, 9)]),
      Buffer.from(SALES),
    ]) {
      const problem = await assertProblem(await upload(server, body, csv(coding)), {
        status: 400,
        code: "invalid_content_coding",
      });
      expect(problem["content_coding"]).toBe(coding);
      await assertProblem(await upload(server, form(body, `sales.csv${suffix}`)), {
        status: 400,
        code: "invalid_content_coding",
      });
    }
    await nothingStored(server);
  });

  test.each(compressions)("of %s cut anywhere never passes for whole", async (...given) => {
    const [name, , compress] = given;
    const coding = name === "gzip" ? gzipCoding : zstdCoding({ decoded_window_bytes: 8 << 20 });
    const whole = compress(Buffer.concat([noise(300), Buffer.alloc(300, "a"), noise(300)]));
    for (let length = 0; length < whole.length; length++) {
      const outcome = await decode(coding, whole.subarray(0, length)).catch(
        (error: unknown) => error,
      );
      expect(hasCode(outcome, "invalid_content_coding")).toBe(true);
    }
  });

  test("with a bit flipped gives the same bytes or none", async () => {
    const data = Buffer.concat([noise(2000), Buffer.from(SALES.repeat(20))]);
    const coded = [
      [gzipCoding, gzipSync(data)],
      [
        zstdCoding({ decoded_window_bytes: 8 << 20 }),
        // Without its checksum nobody can tell; the command line tool writes one by default.
        zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
      ],
    ] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...coded),
        fc.nat(),
        fc.integer({ min: 1, max: 700 }),
        async ([coding, whole], bit, chunk_bytes) => {
          const flipped = Buffer.from(whole);
          const at = (bit >> 3) % flipped.length;
          flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
          const outcome = await decode(coding, flipped, chunk_bytes).catch(
            (error: unknown) => error,
          );
          if (outcome instanceof Buffer) expect(outcome.equals(data)).toBe(true);
          else expect(outcome).toMatchObject({ name: "LakehouseError" });
        },
      ),
      { numRuns: 400, ...runs },
    );
  });
});

test("a client that goes away in the middle of a compressed upload leaves nothing behind", async () => {
  await using server = await startServer();
  for (const [coding, , compress] of compressions) {
    const abort = new AbortController();
    const whole = compress(noise(500_000));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(whole.subarray(0, whole.length >> 1)),
    });
    const answer = server
      .fetch("/ingest?name=x", { method: "POST", body, headers: csv(coding), signal: abort.signal })
      .catch((error: unknown) => error);
    while ((await spools(server)).length === 0) await Bun.sleep(2);
    abort.abort();
    expect(await answer).toMatchObject({ name: "AbortError" });
    while ((await spools(server)).length > 0) await Bun.sleep(2);
  }
  await nothingStored(server);
});

describe("what was compressed", () => {
  test("comes back however it is cut into chunks, frames and members", async () => {
    const codings = [gzipCoding, zstdCoding({ decoded_window_bytes: 8 << 20 })] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 1, max: 19 }),
        fc.boolean(),
        async (pieces, chunk_bytes, level, checksum) => {
          const whole = Buffer.concat(pieces);
          const params = {
            [constants.ZSTD_c_compressionLevel]: level,
            [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0,
          };
          const zipped = Buffer.concat(pieces.map((piece) => gzipSync(piece)));
          const frames = Buffer.concat(pieces.map((piece) => zstdCompressSync(piece, { params })));
          expect((await decode(codings[0], zipped, chunk_bytes)).equals(whole)).toBe(true);
          expect((await decode(codings[1], frames, chunk_bytes)).equals(whole)).toBe(true);
        },
      ),
      { numRuns: 60, ...runs },
    );
  });

  test("is let through a skippable frame, and refused above the window it may ask for", async () => {
    const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const large = zstdCompressSync(noise(3 << 20), {
      params: { [constants.ZSTD_c_windowLog]: 21, [constants.ZSTD_c_contentSizeFlag]: 0 },
    });
    const body = Buffer.concat([skippable, zstdCompressSync("x"), skippable, large]);
    const wide = zstdCoding({ decoded_window_bytes: 1 << 21 });
    const narrow = zstdCoding({ decoded_window_bytes: (1 << 21) - 1 });
    for (const chunk_bytes of [1, 7, 1 << 16]) {
      expect((await decode(wide, body, chunk_bytes)).length).toBe((3 << 20) + 1);
      const refused = await decode(narrow, body, chunk_bytes).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "body_too_large", extra: { limit_bytes: 2_097_151 } });
    }
  });
});

describe("a compressed upload beyond a limit", () => {
  test("is refused with what to change, and nothing is stored", async () => {
    await using server = await startServer({
      limits: { upload_bytes: 200_000, decoded_bytes: 1_000_000 },
    });
    const header = Buffer.from("a\n");
    const compressed = noise(400_000);
    const bombs = Buffer.concat([header, Buffer.alloc(2_000_000, "1\n")]);
    for (const [coding, suffix, compress] of compressions) {
      const too_large = compress(Buffer.concat([header, compressed]));
      expect(too_large.length).toBeGreaterThan(200_000);
      const first = await assertProblem(await upload(server, too_large, csv(coding)), {
        status: 413,
        code: "body_too_large",
      });
      expect(first["hint"]).toContain("upload_bytes");
      for (const body of [compress(bombs), form(compress(bombs), `x.csv${suffix}`)]) {
        const headers = body instanceof FormData ? {} : csv(coding);
        const problem = await assertProblem(await upload(server, body, headers), {
          status: 413,
          code: "body_too_large",
        });
        expect(problem["hint"]).toContain("decoded_bytes");
      }
    }
    await nothingStored(server);
  });

  test("in what it grows by is stopped early", async () => {
    await using server = await startServer({ limits: { decoded_ratio: 100 } });
    const bomb = Buffer.alloc(1 << 28, "1\n");
    for (const [coding, , compress] of compressions) {
      const started_ms = performance.now();
      const problem = await assertProblem(await upload(server, compress(bomb), csv(coding)), {
        status: 413,
        code: "body_too_large",
      });
      expect(problem["hint"]).toContain("decoded_ratio");
      expect(performance.now() - started_ms).toBeLessThan(20_000);
    }
    // What had become large is removed behind the answer.
    await until(async () => (await spools(server)).length === 0);
    await nothingStored(server);
  }, 60_000);
});

test("the command line sends a compressed file as it is", async () => {
  await using server = await startServer();
  const folder = join(server.config_path, "..");
  for (const [, suffix, compress] of compressions) {
    const name = `sales${suffix.replace(".", "_")}`;
    const path = join(folder, `${name}.csv${suffix}`);
    await writeFile(path, compress(SALES));
    const child = Bun.spawn([...programCommand(), "ingest", path, "--url", server.url], {
      stdout: "pipe",
      stderr: "pipe",
      stdin: "ignore",
    });
    expect(await new Response(child.stdout).text()).toStartWith(`${name}: 3 rows, 3 columns`);
    expect(await child.exited).toBe(0);
    await rm(path);
  }
});
