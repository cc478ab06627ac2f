import { systemClock } from "../core/clock.ts";
import { type ObjectStore, readAll } from "../core/storage.ts";
import { type ManifestCodec, openManifestCodec } from "../plugins/catalog/manifest-file.ts";
import { MANIFEST_PREFIX, manifestKey } from "../plugins/catalog/manifest-files.ts";
import { nextManifest, type StoredManifest } from "../plugins/catalog/manifest.ts";
import { openCatalog, openStore, standardLimits } from "../test/support/catalog-rig.ts";

const DATASETS = 10_000;
const REGISTERS = 300;
const ROUNDS = 3;
const COLUMNS = 12;

/**
 * Start-up with 10,000 manifests against reading the same files and no more, and a register against
 * a durable put of the same bytes. Both on a local disk, in the same run.
 */
export async function run(): Promise<void> {
  await using disk = await openStore();
  const codec = await openManifestCodec();
  const names = Array.from({ length: DATASETS }, (_, i) => `dataset_${i}`);
  await inParallel(names, async (name) => {
    const bytes = codec.encode(manifestOf(name));
    await disk.store.put(manifestKey(name), { kind: "bytes", bytes });
  });
  await compareStart(disk.store);
  await compareRegister(disk.store, codec);
}

async function compareStart(store: ObjectStore): Promise<void> {
  const reads: number[] = [];
  const starts: number[] = [];
  const stalls: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    reads.push(await timed(() => readEvery(store)));
    const stop = watchStalls();
    starts.push(await timed(() => openCatalog(store)));
    stalls.push(stop());
  }
  const read_ms = median(reads);
  const start_ms = median(starts);
  console.log(`start with ${DATASETS} manifests  ${start_ms.toFixed(0)} ms`);
  console.log(`reading the same files       ${read_ms.toFixed(0)} ms`);
  console.log(`ratio                        ${(start_ms / read_ms).toFixed(2)}`);
  console.log(`longest hold of the thread   ${Math.max(...stalls).toFixed(1)} ms`);
}

async function compareRegister(store: ObjectStore, codec: ManifestCodec): Promise<void> {
  const catalog = await openCatalog(store);
  const bytes = codec.encode(manifestOf("same_size"));
  const puts: number[] = [];
  const registers: number[] = [];
  // Taking turns, so that a slow moment of the disk falls on both.
  for (let i = 0; i < REGISTERS; i += 1) {
    puts.push(
      await timed(() => store.put(`raw/${i}`, { kind: "bytes", bytes }, { if_absent: true })),
    );
    const { manifest } = manifestOf(`registered_${i}`);
    const { name, schema_fingerprint, objects, columns } = manifest;
    registers.push(
      await timed(() =>
        catalog.register({ name, schema_fingerprint, objects, ...(columns && { columns }) }),
      ),
    );
  }
  const put_ms = median(puts);
  const register_ms = median(registers);
  console.log(`register                     ${register_ms.toFixed(2)} ms`);
  console.log(`durable put of such bytes    ${put_ms.toFixed(2)} ms`);
  console.log(`ratio                        ${(register_ms / put_ms).toFixed(2)}`);
}

/** A typical manifest: twelve columns, one data object. */
function manifestOf(name: string): StoredManifest {
  const registration = {
    name,
    schema_fingerprint: `sha256:${"ab".repeat(32)}`,
    objects: [{ key: `datasets/${name}/ab/1.parquet`, size: 1234, sha256: "cd".repeat(32) }],
    row_count: 1000,
    columns: Array.from({ length: COLUMNS }, (_, i) => ({
      id: i + 1,
      name: `column_${i}`,
      type: "int64",
      nullable: true,
    })),
  };
  return nextManifest(undefined, registration, {
    commit_id: crypto.randomUUID(),
    now: systemClock.now(),
  });
}

async function readEvery(store: ObjectStore): Promise<void> {
  const keys: string[] = [];
  for (let after = ""; ;) {
    const page = await store.list({ prefix: MANIFEST_PREFIX, after });
    keys.push(...page.objects.map(({ key }) => key));
    if (page.next === undefined) break;
    after = page.next;
  }
  await inParallel(keys, async (key) => {
    const object = await store.get(key);
    if (object === undefined) throw new Error(`there is no ${key}`);
    await readAll(object, standardLimits.manifest_bytes);
  });
}

/** As many at once as the catalog reads at its start. */
async function inParallel(
  items: readonly string[],
  work: (item: string) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: standardLimits.catalog_load_concurrency }, worker));
}

/** Returns a function that stops watching and gives the longest time between two turns. */
function watchStalls(): () => number {
  let last_ms = performance.now();
  let longest_ms = 0;
  let watching = true;
  const turn = (): void => {
    const now_ms = performance.now();
    longest_ms = Math.max(longest_ms, now_ms - last_ms);
    last_ms = now_ms;
    if (watching) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    watching = false;
    return longest_ms;
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started_ms = performance.now();
  await work();
  return performance.now() - started_ms;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
