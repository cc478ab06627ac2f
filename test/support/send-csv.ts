import type { TestServer } from "./server.ts";

/** Uploads a CSV file with these query parameters. */
export function sendCsv(
  server: TestServer,
  name: string,
  csv: string,
  options: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const query = new URLSearchParams({ name, ...options });
  return server.fetch(`/ingest?${query.toString()}`, {
    method: "POST",
    headers: { "content-type": "text/csv" },
    body: csv,
  });
}
