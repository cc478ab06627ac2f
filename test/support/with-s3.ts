import { constants } from "node:os";
import { startS3Server } from "./s3-server.ts";

/**
 * `bun test/support/with-s3.ts COMMAND…`: runs a command with a real S3 server beside it.
 *
 * The command finds the server in `LAKEHOUSE_TEST_S3_*`; the server is stopped whatever happens,
 * and the exit code is the command's.
 */
const [program, ...args] = process.argv.slice(2);
if (program === undefined) {
  console.error("usage: bun test/support/with-s3.ts COMMAND…");
  process.exit(2);
}

const server = await startS3Server();
// Ends with this process, even if that is killed outright (prctl(2), PR_SET_PDEATHSIG).
const guarded = ["setpriv", "--pdeathsig", "TERM", program === "bun" ? process.execPath : program];
const child = Bun.spawn([...guarded, ...args], {
  stdio: ["inherit", "inherit", "inherit"],
  env: {
    ...process.env,
    LAKEHOUSE_TEST_S3_ENDPOINT: server.endpoint,
    LAKEHOUSE_TEST_S3_REGION: server.region,
    LAKEHOUSE_TEST_S3_ACCESS_KEY: server.access_key_id,
    LAKEHOUSE_TEST_S3_SECRET_KEY: server.secret_access_key,
    LAKEHOUSE_TEST_S3_REQUIRED: "1",
  },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => child.kill(signal));
}
await child.exited;
await server.stop();
// As a shell says it for a command that a signal ended.
const signalled = Object.entries(constants.signals).find(([name]) => name === child.signalCode);
process.exitCode = child.exitCode ?? 128 + (signalled?.[1] ?? 0);
