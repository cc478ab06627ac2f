import { describe, expect, test } from "bun:test";
import { isRecord } from "../core/json.ts";
import { committedOf, manifestOf } from "./support/catalog-answers.ts";
import { startServer, type TestServer } from "./support/server.ts";

/** The storage table of a running server's configuration, so that another can share it. */
async function storageOf(server: TestServer): Promise<Readonly<Record<string, string | boolean>>> {
  const config = Bun.TOML.parse(await Bun.file(server.config_path).text());
  const plugins = "plugins" in config && isRecord(config.plugins) ? config.plugins : {};
  const table = plugins["storage-fs"] ?? plugins["storage-s3"];
  if (!isRecord(table)) throw new Error("the server has no storage plugin");
  const entries = Object.entries(table).filter(
    (entry): entry is [string, string | boolean] => typeof entry[1] !== "object",
  );
  return Object.fromEntries(entries);
}

const COMMITS = 30;

async function commit(server: TestServer, who: string, i: number): Promise<number> {
  const response = await server.post("/catalog/register", {
    name: "shared",
    schema_fingerprint: "fp",
    objects: [{ key: `${who}/${i}`, size: i }],
  });
  return (await committedOf(response)).manifest.version;
}

describe("two server processes on one store", () => {
  test("lose no commit of each other and make none twice", async () => {
    await using one = await startServer({ plugins: { storage: {}, catalog: {} } });
    const storage = await storageOf(one);
    await using two = await startServer({ plugins: { storage, catalog: {} } });
    const writer = async (server: TestServer, who: string): Promise<number[]> => {
      const versions: number[] = [];
      for (let i = 0; i < COMMITS; i += 1) versions.push(await commit(server, who, i));
      return versions;
    };
    const versions = (await Promise.all([writer(one, "one"), writer(two, "two")])).flat();
    expect(versions.sort((a, b) => a - b)).toEqual(
      Array.from({ length: 2 * COMMITS }, (_, i) => i + 1),
    );
    await one.kill();
    await one.restart();
    const { version } = await manifestOf(await one.fetch("/catalog/manifest/shared"));
    expect(version).toBe(2 * COMMITS);
  }, 120_000);

  test("that create one name under two fingerprints agree on one", async () => {
    await using one = await startServer({ plugins: { storage: {}, catalog: {} } });
    const storage = await storageOf(one);
    await using two = await startServer({ plugins: { storage, catalog: {} } });
    const servers = [one, two];
    for (let round = 0; round < 10; round += 1) {
      const responses = await Promise.all(
        servers.map((server, i) =>
          server.post("/catalog/register", {
            name: `round${round}`,
            schema_fingerprint: `fp${i}`,
            objects: [],
          }),
        ),
      );
      expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200, 409]));
    }
  }, 60_000);
});
