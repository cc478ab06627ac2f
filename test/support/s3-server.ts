import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CephInstall, cephInstall, run } from "./ceph-packages.ts";

/**
 * A real S3 server on loopback for tests: the Ceph object gateway over one monitor and one
 * in-memory disk. It checks signatures, keeps If-Match and If-None-Match atomic, and knows multipart
 * uploads. Its data is gone when it stops.
 */
export interface S3Server {
  readonly endpoint: string;
  readonly region: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  stop(): Promise<void>;
}

/** From the first process to the first answer; it takes about a second. */
const START_TIMEOUT_MS = 60_000;
/** A port that was free a moment ago may be taken: start again on others. */
const ATTEMPTS = 3;
/** Data the in-memory disk takes. */
const DISK_BYTES = 8 * 1024 ** 3;
const RUN_PREFIX = "lakehouse-s3-server-";

export async function startS3Server(): Promise<S3Server> {
  await sweep();
  const install = await cephInstall();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(install);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function startOnce(install: CephInstall): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), `${RUN_PREFIX}${process.pid}-`));
  const cluster = new Cluster(install, folder);
  const key = { access_key_id: randomHex(10), secret_access_key: randomHex(20) };
  try {
    const endpoint = await cluster.start(key.access_key_id, key.secret_access_key);
    return { endpoint, region: "us-east-1", ...key, stop: () => cluster.stop() };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** The three daemons of one run, and the folder they work in. */
class Cluster {
  readonly #install: CephInstall;
  readonly #folder: string;
  readonly #daemons: { readonly name: string; readonly process: Bun.Subprocess }[] = [];

  constructor(install: CephInstall, folder: string) {
    this.#install = install;
    this.#folder = folder;
  }

  /** Returns the endpoint once the gateway answers and the user exists. */
  async start(access_key_id: string, secret_access_key: string): Promise<string> {
    const [gateway_port, monitor_port] = await freePorts();
    const monitor = `v1:127.0.0.1:${monitor_port}`;
    const fsid = crypto.randomUUID();
    const path = (name: string): string => join(this.#folder, name);
    const config = ["-c", path("ceph.conf")];
    await Promise.all(["mon", "osd", "rgw"].map((name) => mkdir(path(name))));
    await writeFile(
      path("ceph.conf"),
      clusterConfig(this.#folder, this.#install.library_path, { fsid, monitor, gateway_port }),
    );

    // The maps are made offline: the cluster starts complete, and no `ceph` command line (Python)
    // is needed to add the disk to it.
    await this.#run(
      "ceph-authtool",
      "--create-keyring",
      path("keyring"),
      "--gen-key",
      "-n",
      "mon.",
    );
    await this.#run(
      "monmaptool",
      "--create",
      "--addv",
      "a",
      `[${monitor}]`,
      "--fsid",
      fsid,
      path("monmap"),
    );
    await this.#run("osdmaptool", ...config, "--createsimple", "1", path("osdmap"));
    const maps = ["--monmap", path("monmap"), "--osdmap", path("osdmap")];
    await this.#run(
      "ceph-mon",
      ...config,
      "--mkfs",
      "-i",
      "a",
      ...maps,
      "--keyring",
      path("keyring"),
    );
    await this.#spawn("ceph-mon", ...config, "-f", "-i", "a");
    await this.#run("ceph-osd", ...config, "--mkfs", "-i", "0", "--osd-uuid", crypto.randomUUID());
    await this.#spawn("ceph-osd", ...config, "-f", "-i", "0");
    await this.#spawn("radosgw", ...config, "-f", "-n", "client.rgw");

    const endpoint = `http://127.0.0.1:${gateway_port}`;
    await this.#answers(endpoint);
    const keys = ["--access-key", access_key_id, "--secret", secret_access_key];
    await this.#run(
      "radosgw-admin",
      ...config,
      "user",
      "create",
      "--uid=test",
      "--display-name=test",
      ...keys,
    );
    return endpoint;
  }

  async stop(): Promise<void> {
    for (const { process: daemon } of this.#daemons) {
      try {
        process.kill(-daemon.pid, "SIGKILL");
      } catch {
        // It had ended.
      }
    }
    await Promise.all(this.#daemons.map(({ process: daemon }) => daemon.exited));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #run(...command: string[]): Promise<void> {
    await run(command, { env: this.#install.env, cwd: this.#folder });
  }

  /**
   * A daemon in a process group of its own, so that Ctrl-C in a terminal reaches the tests first;
   * the kernel kills it when this process ends in any way (prctl(2), PR_SET_PDEATHSIG).
   */
  async #spawn(name: string, ...args: string[]): Promise<void> {
    const output = Bun.file(join(this.#folder, `${name}.out`));
    const daemon = Bun.spawn(["setpriv", "--pdeathsig", "KILL", name, ...args], {
      cwd: this.#folder,
      env: { ...process.env, ...this.#install.env },
      stdin: "ignore",
      stdout: output,
      stderr: output,
      detached: true,
    });
    this.#daemons.push({ name, process: daemon });
  }

  /** Waits for the gateway's first answer; fails at once if a daemon ends. */
  async #answers(endpoint: string): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const ended = this.#daemons.find(({ process: daemon }) => daemon.exitCode !== null);
      if (ended !== undefined || performance.now() > deadline) {
        throw new Error(`The S3 test server did not start.\n${await this.#lastWords()}`);
      }
      try {
        if ((await fetch(endpoint, { signal: AbortSignal.timeout(1000) })).ok) return;
      } catch {
        // Not listening yet.
      }
      await Bun.sleep(50);
    }
  }

  async #lastWords(): Promise<string> {
    const tails = this.#daemons.map(async ({ name, process: daemon }) => {
      const text = await Bun.file(join(this.#folder, `${name}.out`)).text();
      const state = daemon.exitCode === null ? "running" : `ended with code ${daemon.exitCode}`;
      return `${name} (${state}): ${text.trim().split("\n").slice(-5).join("\n  ")}`;
    });
    return (await Promise.all(tails)).join("\n");
  }
}

/** https://docs.ceph.com/en/pacific/rados/configuration/ */
function clusterConfig(
  folder: string,
  library_path: string,
  at: { readonly fsid: string; readonly monitor: string; readonly gateway_port: number },
): string {
  return `[global]
fsid = ${at.fsid}
mon_host = ${at.monitor}
mon_initial_members = a
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = ${folder}/keyring
plugin_dir = ${library_path}/ceph
erasure_code_dir = ${library_path}/ceph/erasure-code
osd_class_dir = ${library_path}/rados-classes
run_dir = ${folder}
admin_socket =
log_to_file = false
mon_cluster_log_to_file = false
osd_crush_chooseleaf_type = 0
# The offline map has the disk in its place already; asking the monitor to put it there fails
# ("wrong fsid") while it is still holding its first election.
osd_crush_update_on_start = false
osd_class_update_on_start = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 1
mon_data_avail_crit = 0
# Pools are made one after the other, each a round of consensus: without the usual pause.
paxos_propose_interval = 0.01
paxos_min_wait = 0.01
# The gateway starts before the disk is up, and would look again after five seconds.
objecter_tick_interval = 0.1
[mon.a]
mon_data = ${folder}/mon
[osd.0]
osd_data = ${folder}/osd
osd_objectstore = memstore
memstore_device_bytes = ${DISK_BYTES}
[client.rgw]
rgw_data = ${folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${at.gateway_port} tcp_nodelay=1
rgw_dns_name = localhost
`;
}

/** Two ports nobody listens on; held open together, so that they differ. */
async function freePorts(): Promise<readonly [number, number]> {
  const [first, second] = await Promise.all([holdPort(), holdPort()]);
  await Promise.all([first.release(), second.release()]);
  return [first.port, second.port];
}

async function holdPort(): Promise<{ readonly port: number; release(): Promise<void> }> {
  const listener = createServer();
  const listening = Promise.withResolvers<void>();
  listener.once("error", listening.reject).listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the listener has no port");
  const release = async (): Promise<void> => {
    const closed = Promise.withResolvers<void>();
    listener.close(() => closed.resolve());
    await closed.promise;
  };
  return { port: address.port, release };
}

/** Removes the folders of runs whose process was killed before it could. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(RUN_PREFIX)) continue;
    const pid = Number.parseInt(name.slice(RUN_PREFIX.length), 10);
    if (!isRunning(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: another user's process.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

const randomHex = (bytes: number): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");
