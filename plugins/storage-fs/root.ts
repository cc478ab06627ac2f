import { constants } from "node:fs";
import {
  access,
  lstat,
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { LakehouseError } from "../../core/error.ts";
import { syncFolder } from "./durable.ts";
import { errnoOf, isAbsent, orAbsent } from "./errno.ts";
import { RootLock } from "./root-lock.ts";
import { Session, sweep } from "./session.ts";
import { setStamp, Stamps, stampOf } from "./stamp.ts";
import { Tree } from "./tree.ts";

/** Our own folder in a root. No key's name starts with a dot, so it is no object's either. */
const PRIVATE_FOLDER = ".lakehouse";

/** Keys of 1,024 bytes take up to 3,200 once encoded; Linux takes paths of 4,095. */
const ROOT_LIMIT_BYTES = 800;

export interface RootOptions {
  /** Relative to the working directory. */
  readonly path: string;
  /** Undefined: as the root was made, or else as its file system needs it. */
  readonly encode_case?: boolean | undefined;
}

/** An opened storage folder. */
export interface Root {
  readonly tree: Tree;
  readonly lock: RootLock;
  readonly session: Session;
  readonly stamps: Stamps;
  /** Folders of dead processes that were removed on the way. */
  readonly swept: number;
}

/** Makes the folder if need be, checks that it can be used, and sweeps what a crash left there. */
export async function openRoot(options: RootOptions): Promise<Root> {
  const given = resolve(options.path);
  try {
    await makeRoot(given);
    const path = await realpath(given);
    if (Buffer.byteLength(path) > ROOT_LIMIT_BYTES) {
      throw unusable(given, `is longer than ${ROOT_LIMIT_BYTES} bytes`, "Use a shorter path.");
    }
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const home = `${path}/${PRIVATE_FOLDER}`;
    await mkdir(`${home}/sessions`, { recursive: true });
    await syncFolder(path);
    return await start(path, home, options);
  } catch (error) {
    if (error instanceof LakehouseError) throw error;
    throw unusable(
      given,
      `cannot be used (${errnoOf(error) ?? String(error)})`,
      "Give the server's user a folder it may read and write: [plugins.storage-fs] root.",
      error,
    );
  }
}

export async function closeRoot({ lock, session }: Root): Promise<void> {
  try {
    await lock.close();
  } finally {
    await session.end();
  }
}

/** Private to the user, and durable with every folder on the way that had to be made. */
async function makeRoot(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first) return;
  }
}

async function start(path: string, home: string, options: RootOptions): Promise<Root> {
  const lock = new RootLock(`${home}/lock`);
  try {
    return await lock.alone(async () => {
      const swept = await sweep(`${home}/sessions`);
      const session = await Session.start(`${home}/sessions`);
      try {
        const encode_case = await layoutOf(path, home, session, options.encode_case);
        const mark_path = `${home}/mark`;
        // Without truncating it: its time is what it is for.
        await (await open(mark_path, "a")).close();
        const stamps = new Stamps(mark_path);
        return { tree: new Tree(path, { encode_case }), lock, session, stamps, swept };
      } catch (error) {
        await session.end();
        throw error;
      }
    });
  } catch (error) {
    await lock.close();
    throw error;
  }
}

const layoutSchema = Type.Object({ version: Type.Literal(1), encode_case: Type.Boolean() });
type Layout = Static<typeof layoutSchema>;

/**
 * How names are written in this root. Decided once and kept in the root, because objects that were
 * put under other rules would silently be missing.
 */
async function layoutOf(
  path: string,
  home: string,
  session: Session,
  wanted: boolean | undefined,
): Promise<boolean> {
  const folds_case = await probe(path, session);
  const file = `${home}/layout.json`;
  const kept = await readLayout(path, file);
  const encode_case = kept?.encode_case ?? wanted ?? folds_case;
  if (wanted !== undefined && wanted !== encode_case) {
    throw unusable(
      path,
      `was made with encode_case = ${encode_case}`,
      "Take encode_case out of the configuration, or copy the objects into a new root.",
    );
  }
  if (folds_case && !encode_case) {
    throw unusable(
      path,
      "is on a file system that folds case, and its names do not allow for that",
      "Set encode_case = true for a new root, or copy the objects through the server.",
    );
  }
  if (kept === undefined) {
    const temporary = session.newPath();
    await writeFile(
      temporary,
      `${JSON.stringify({ version: 1, encode_case } satisfies Layout)}\n`,
      {
        flush: true,
      },
    );
    await rename(temporary, file);
    await syncFolder(home);
  }
  return encode_case;
}

async function readLayout(path: string, file: string): Promise<Layout | undefined> {
  const text = await orAbsent(readFile(file, "utf8"));
  if (text === undefined) return undefined;
  try {
    const layout: unknown = JSON.parse(text);
    if (Value.Check(layoutSchema, layout)) return layout;
  } catch {
    // Not JSON: the same answer.
  }
  throw unusable(
    path,
    `has a layout this version does not know (${PRIVATE_FOLDER}/layout.json)`,
    "Use the version of the server that made it.",
  );
}

/** Whether names that differ in case are one file; also proves that times of a microsecond hold. */
async function probe(path: string, session: Session): Promise<boolean> {
  const name = session.newPath();
  const [lower, upper] = [`${name}-probe`, `${name}-PROBE`];
  const file = await open(lower, "wx");
  try {
    const stamp_us = 1_234_567_890_123_457;
    await setStamp(file, stamp_us);
    if (stampOf(await file.stat({ bigint: true })) !== stamp_us) {
      throw unusable(
        path,
        "is on a file system that does not keep times of a microsecond",
        "Use another file system: versions of objects are told apart by their times.",
      );
    }
    return await lstat(upper).then(
      () => true,
      (error: unknown) => {
        if (isAbsent(error)) return false;
        throw error;
      },
    );
  } finally {
    await file.close();
    await rm(lower, { force: true });
  }
}

function unusable(path: string, why: string, hint: string, cause?: unknown): LakehouseError {
  return new LakehouseError("invalid_config", `The storage folder ${path} ${why}.`, {
    hint,
    cause,
  });
}
