import { describe, expect, test } from "bun:test";
import { serverEvents } from "../core/cli/server-events.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { LakehouseError } from "../core/error.ts";
import { isRecord } from "../core/json.ts";
import { IngestProgress } from "../plugins/ingest-csv/progress.ts";
import { assertProblem, okJson, startServer, type TestServer } from "./support/server.ts";
import { longCsv, spools, until } from "./support/uploads.ts";

type View = Record<string, unknown>;

const upload = (
  server: TestServer,
  id: string,
  body: string | Uint8Array | ReadableStream<Uint8Array>,
  options: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Response> =>
  server.fetch(`/ingest?name=${id}`, {
    method: "POST",
    body,
    headers: { "content-type": "text/csv", "x-request-id": id, ...options.headers },
    signal: options.signal ?? null,
  });

const look = async (server: TestServer, id: string): Promise<View> =>
  okJson(await server.fetch(`/ingest/${id}`));

/** Every event until the stream ends. */
async function* events(server: TestServer, id: string, init: RequestInit = {}) {
  const headers = { accept: "text/event-stream" };
  const response = await server.fetch(`/v1/ingest/${id}`, { headers, ...init });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  for await (const data of serverEvents(response)) {
    const view: unknown = JSON.parse(data);
    if (!isRecord(view)) throw new Error(`not an object: ${data}`);
    yield view;
  }
}

/** A body that is sent piece by piece, as the test says. */
interface HeldBody {
  readonly body: ReadableStream<Uint8Array>;
  readonly push: (text: string) => void;
  readonly end: () => void;
}

function heldBody(): HeldBody {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given;
    },
  });
  return {
    body,
    push: (text) => controller?.enqueue(Buffer.from(text)),
    end: () => controller?.close(),
  };
}

const received = (server: TestServer, id: string, bytes: number): Promise<void> =>
  until(async () => {
    const response = await server.fetch(`/ingest/${id}`);
    return response.ok && (await okJson(response))["received_bytes"] === bytes;
  });

const STATES = ["receiving", "converting", "committing", "done"];

describe("an ingest", () => {
  test("is watched from its first byte to its commit", async () => {
    await using server = await startServer();
    const { body, push, end } = heldBody();
    const answer = upload(server, "slow", body);
    push("a,b\n1,2\n");
    await received(server, "slow", 8);
    const first = await look(server, "slow");
    expect(first).toMatchObject({ id: "slow", name: "slow", state: "receiving", file_bytes: 8 });
    expect(first).not.toContainAnyKeys(["total_bytes", "finished_at", "error"]);
    const watched = events(server, "slow");
    expect((await watched.next()).value).toMatchObject({ state: "receiving" });
    const rest = Array.fromAsync(watched);
    push("3,4\n");
    await received(server, "slow", 12);
    end();
    expect(await okJson(await answer)).toMatchObject({ row_count: 2 });
    const views = await rest;
    expect(views.at(-1)).toMatchObject({
      state: "done",
      received_bytes: 12,
      judged_bytes: 12,
      row_count: 2,
      finished_at: expect.any(String),
    });
    expect(await look(server, "slow")).toEqual(views.at(-1) ?? {});
  });

  test("never goes back, and shows rows before it is done", async () => {
    let shown: readonly View[] = [];
    // A conversion that is over between two looks shows nothing: a longer one, then.
    for (let rows = 300_000; shown.length === 0; rows *= 2) {
      await using server = await startServer();
      const body = longCsv(rows);
      const answer = upload(server, "long", body);
      await until(async () => (await server.fetch("/ingest/long")).ok);
      const views = await Array.fromAsync(events(server, "long"));
      expect(await okJson(await answer)).toMatchObject({ row_count: rows });
      expect(views.at(-1)).toMatchObject({ state: "done", total_bytes: body.length });
      for (const member of ["received_bytes", "judged_bytes", "row_count", "parts_done"]) {
        const values = views.map((view) => Number(view[member]));
        expect(values).toEqual(values.toSorted((a, b) => a - b));
      }
      const states = views.map(({ state }) => STATES.indexOf(String(state)));
      expect(states).toEqual(states.toSorted((a, b) => a - b));
      shown = views.filter(({ row_count, state }) => Number(row_count) > 0 && state !== "done");
    }
  }, 60_000);

  test("counts what arrives and what is inside when it is compressed", async () => {
    await using server = await startServer();
    const text = "a,b\n1,2\n".repeat(1000);
    const zipped = Bun.gzipSync(Buffer.from(text));
    const headers = { "content-encoding": "gzip" };
    await okJson(await upload(server, "zipped", zipped, { headers }));
    expect(await look(server, "zipped")).toMatchObject({
      received_bytes: zipped.length,
      total_bytes: zipped.length,
      file_bytes: text.length,
      judged_bytes: text.length,
    });
  });

  test("that fails shows the problem it was answered with", async () => {
    await using server = await startServer();
    const response = await upload(server, "bad", "a,b\n1\n");
    const problem = await assertProblem(response, { status: 400, code: "invalid_csv" });
    expect(await look(server, "bad")).toMatchObject({ state: "failed", error: problem });
    const [only, ...others] = await Array.fromAsync(events(server, "bad"));
    expect(only).toMatchObject({ state: "failed" });
    expect(others).toEqual([]);
  });

  test("without an id of the client's has the one in its answer", async () => {
    await using server = await startServer();
    const response = await server.fetch("/ingest?name=x", { method: "POST", body: "a,b\n1,2\n" });
    const id = response.headers.get("x-request-id") ?? "";
    expect(await look(server, id)).toMatchObject({ id, name: "x", state: "done" });
  });

  test("under the id of one that runs is refused, and does not disturb it", async () => {
    await using server = await startServer();
    const { body, push, end } = heldBody();
    const first = upload(server, "twice", body);
    push("a,b\n1,2\n");
    await received(server, "twice", 8);
    await assertProblem(await upload(server, "twice", "c\n1\n"), {
      status: 409,
      code: "ingest_exists",
    });
    expect(await look(server, "twice")).toMatchObject({ state: "receiving", received_bytes: 8 });
    end();
    expect(await okJson(await first)).toMatchObject({ row_count: 1 });
    // Now the id is free again.
    expect(await okJson(await upload(server, "twice", "a,b\n3,4\n"))).toMatchObject({
      existing: true,
    });
  });

  test("that nobody knows is not found", async () => {
    await using server = await startServer();
    for (const headers of [{}, { accept: "text/event-stream" }]) {
      const response = await server.fetch("/ingest/nobody", { headers });
      await assertProblem(response, { status: 404, code: "ingest_not_found" });
    }
  });
});

describe("a stream of events", () => {
  test("tells a browser that comes back after the last one to stay away", async () => {
    await using server = await startServer();
    await okJson(await upload(server, "over", "a,b\n1,2\n"));
    const headers = { accept: "text/event-stream" };
    const text = await (await server.fetch("/ingest/over", { headers })).text();
    expect(text).toMatch(/^id: end\nevent: progress\ndata: \{.*\}\n\n$/);
    const again = await server.fetch("/ingest/over", {
      headers: { ...headers, "last-event-id": "end" },
    });
    expect(again.status).toBe(204);
  });

  test("can be left without disturbing the ingest", async () => {
    await using server = await startServer();
    const { body, push, end } = heldBody();
    const answer = upload(server, "left", body);
    push("a,b\n1,2\n");
    await received(server, "left", 8);
    const abort = new AbortController();
    for await (const view of events(server, "left", { signal: abort.signal })) {
      expect(view).toMatchObject({ state: "receiving" });
      break;
    }
    abort.abort();
    end();
    expect(await okJson(await answer)).toMatchObject({ row_count: 1 });
  });

  test("ends with the ingest when the server stops, which finishes it first", async () => {
    await using server = await startServer();
    const { body, push, end } = heldBody();
    const answer = upload(server, "last", body);
    push("a,b\n1,2\n");
    await received(server, "last", 8);
    const watched = events(server, "last");
    expect((await watched.next()).value).toMatchObject({ state: "receiving" });
    const rest = Array.fromAsync(watched);
    const stopped = server.stop();
    const serves = (): Promise<boolean> =>
      server.fetch("/health").then(
        ({ ok }) => ok,
        () => false,
      );
    await until(async () => !(await serves()));
    end();
    expect(await okJson(await answer)).toMatchObject({ row_count: 1 });
    expect((await rest).at(-1)).toMatchObject({ state: "done" });
    expect(await stopped).toBe(0);
    expect(server.log.join("\n")).not.toContain("shutdown deadline");
  });
});

const nothingIsLeft = async (server: TestServer): Promise<void> => {
  await until(async () => (await spools(server)).length === 0);
  expect(await okJson(await server.fetch("/catalog/list"))).toMatchObject({ count: 0 });
  const listed = await okJson(await server.fetch("/storage/list?prefix=datasets/"));
  expect(listed["objects"]).toEqual([]);
  expect(await okJson(await upload(server, "next", "a,b\n1,2\n"))).toMatchObject({
    row_count: 1,
  });
};

describe("a client that goes away", () => {
  // One worker: if it stayed busy, the upload after it would wait for ever.
  const limits = { ingest_workers: 1 };

  test("in mid-upload is shown as such, and nothing is left", async () => {
    await using server = await startServer({ limits });
    const abort = new AbortController();
    const { body, push } = heldBody();
    const answer = upload(server, "gone", body, { signal: abort.signal }).catch(String);
    push("a,b\n1,2\n");
    await received(server, "gone", 8);
    const watched = events(server, "gone");
    expect((await watched.next()).value).toMatchObject({ state: "receiving" });
    abort.abort();
    expect(await answer).toContain("AbortError");
    expect((await Array.fromAsync(watched)).at(-1)).toMatchObject({
      state: "failed",
      error: { code: "request_aborted" },
    });
    await nothingIsLeft(server);
  });

  test("in mid-conversion stops it, and nothing is left", async () => {
    let last: View = { state: "done" };
    // A conversion that was over before this client could leave says nothing: a longer one, then.
    for (let row_count = 300_000; last["state"] === "done"; row_count *= 2) {
      await using server = await startServer({ limits });
      const abort = new AbortController();
      const body = longCsv(row_count);
      const answer = upload(server, "gone", body, { signal: abort.signal }).catch(String);
      await until(async () => (await server.fetch("/ingest/gone")).ok);
      for await (const view of events(server, "gone")) {
        last = view;
        if (view["state"] === "converting" && Number(view["row_count"]) > 0) abort.abort();
      }
      if (last["state"] === "done") continue;
      expect(last).toMatchObject({ state: "failed", error: { code: "request_aborted" } });
      expect(await answer).toContain("AbortError");
      await nothingIsLeft(server);
    }
  }, 60_000);
});

const follow = (progress: IngestProgress, id: string): Promise<void> =>
  progress.follow({ id, name: id, total_bytes: undefined }, async () => {});

const known = (progress: IngestProgress, ids: readonly string[]): readonly string[] =>
  ids.filter((id) => {
    try {
      return progress.get(id).view().state === "done";
    } catch (error) {
      if (error instanceof LakehouseError && error.code === "ingest_not_found") return false;
      throw error;
    }
  });

describe("ingests that ended", () => {
  const limits = { ingest_progress_kept: 3, ingest_progress_ms: 1000 };

  test("are kept up to a number, the last ones", async () => {
    const progress = new IngestProgress({ limits, clock: systemClock });
    for (const id of ["a", "b", "c", "a", "d"]) await follow(progress, id);
    expect(known(progress, ["a", "b", "c", "d"])).toEqual(["a", "c", "d"]);
  });

  test("are kept up to an age", async () => {
    let now_ms = 0;
    const clock: Clock = { now: () => new Date(now_ms), monotonic_ms: () => now_ms };
    const progress = new IngestProgress({ limits, clock });
    await follow(progress, "old");
    now_ms = 600;
    await follow(progress, "new");
    expect(known(progress, ["old", "new"])).toEqual(["old", "new"]);
    now_ms = 1000;
    expect(known(progress, ["old", "new"])).toEqual(["new"]);
  });
});
