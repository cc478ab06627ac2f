import { describe, expect, test } from "bun:test";
import { LakehouseError } from "../core/error.ts";
import { first, guard, HookBus, notify, waterfall } from "../core/hooks.ts";
import { recordingLog, silentLog } from "./support/silent-log.ts";

const opening = guard<{ name: string }>("opening");
const opened = notify<{ name: string }>("opened");
const renaming = waterfall<string>("renaming");
const resolving = first<string, number>("resolving");

describe("a guard hook", () => {
  test("runs its handlers in order: pre, normal, post, and start order within one", async () => {
    const bus = new HookBus(silentLog);
    const seen: string[] = [];
    const add = (plugin: string, order?: "pre" | "post"): unknown =>
      bus
        .forPlugin(plugin)
        .on(opening, () => void seen.push(plugin), order === undefined ? {} : { order });
    add("last", "post");
    add("second");
    add("third");
    add("first", "pre");
    await bus.forPlugin("caller").guard(opening, { name: "x" });
    expect(seen).toEqual(["first", "second", "third", "last"]);
  });

  test("is vetoed by the first throw, which reaches the caller whole", async () => {
    const bus = new HookBus(silentLog);
    const veto = new LakehouseError("schema_conflict", "no");
    let reached = false;
    bus.forPlugin("a").on(opening, () => {
      throw veto;
    });
    bus.forPlugin("b").on(opening, () => {
      reached = true;
    });
    expect(bus.forPlugin("caller").guard(opening, { name: "x" })).rejects.toBe(veto);
    expect(reached).toBe(false);
  });

  test("blames an unexpected failure on the plugin and the hook", async () => {
    const bus = new HookBus(silentLog);
    const cause = new TypeError("oops");
    bus.forPlugin("clumsy").on(opening, async () => {
      throw cause;
    });
    const failure = await bus
      .forPlugin("caller")
      .guard(opening, { name: "x" })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: "plugin clumsy failed in hook opening", cause });
  });
});

describe("a notify hook", () => {
  test("runs every handler and fails nobody; failures are logged with plugin and hook", async () => {
    const { log, errors } = recordingLog();
    const bus = new HookBus(log);
    const seen: string[] = [];
    bus.forPlugin("bad").on(opened, () => {
      throw new Error("late");
    });
    bus.forPlugin("good").on(opened, ({ name }) => void seen.push(name));
    await bus.forPlugin("caller").notify(opened, { name: "x" });
    expect(seen).toEqual(["x"]);
    expect(errors).toEqual([
      ["a notify handler failed", expect.objectContaining({ plugin: "bad", hook: "opened" })],
    ]);
  });
});

describe("a waterfall hook", () => {
  test("hands the value from handler to handler", async () => {
    const bus = new HookBus(silentLog);
    bus.forPlugin("a").on(renaming, (value) => `${value}a`);
    bus.forPlugin("b").on(renaming, async (value) => `${value}b`);
    expect(await bus.forPlugin("caller").waterfall(renaming, "x")).toBe("xab");
  });

  test("without handlers gives the value back", async () => {
    expect(await new HookBus(silentLog).forPlugin("caller").waterfall(renaming, "x")).toBe("x");
  });
});

describe("a first hook", () => {
  test("takes the first answer and asks no further", async () => {
    const bus = new HookBus(silentLog);
    const asked: string[] = [];
    const answer = (plugin: string, value: number | undefined): unknown =>
      bus.forPlugin(plugin).on(resolving, () => {
        asked.push(plugin);
        return value;
      });
    answer("a", undefined);
    answer("b", 0);
    answer("c", 2);
    expect(await bus.forPlugin("caller").first(resolving, "q")).toBe(0);
    expect(asked).toEqual(["a", "b"]);
  });

  test("is undefined when nobody answers", async () => {
    expect(await new HookBus(silentLog).forPlugin("caller").first(resolving, "q")).toBeUndefined();
  });
});

test("a handler that was taken off is not called again", async () => {
  const bus = new HookBus(silentLog);
  let calls = 0;
  const off = bus.forPlugin("a").on(opened, () => {
    calls += 1;
  });
  const caller = bus.forPlugin("caller");
  await caller.notify(opened, { name: "x" });
  off();
  await caller.notify(opened, { name: "x" });
  expect(calls).toBe(1);
});
