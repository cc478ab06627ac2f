import { expect, setDefaultTimeout, test } from "bun:test";
import { okJson, startServer, type TestServer } from "./support/server.ts";
import { readAnswer } from "./support/test-engine.ts";

/** The main job: two files go in, one question over both comes out. */

setDefaultTimeout(60_000);

const orders = `order_id,customer,amount
1,ann,12.50
2,bob,7.25
3,ann,100.00
4,eve,0.99
`;
const customers = `customer,country
ann,NZ
bob,CH
`;

async function ingest(server: TestServer, name: string, csv: string): Promise<void> {
  await okJson(
    await server.fetch(`/ingest?name=${name}`, {
      method: "POST",
      headers: { "content-type": "text/csv" },
      body: csv,
    }),
  );
}

test("two ingested files are joined by their names", async () => {
  await using server = await startServer();
  await ingest(server, "orders", orders);
  await ingest(server, "customers.v1", customers);

  const response = await server.post("/sql", {
    sql: `SELECT c.country, count(*) AS orders, sum(o.amount)::DECIMAL(18, 2) AS total
          FROM orders AS o JOIN "customers.v1" AS c USING (customer)
          WHERE o.amount > $least GROUP BY ALL ORDER BY country`,
    params: { least: 1 },
  });
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await okJson(response)).toEqual({
    columns: [
      { name: "country", type: "VARCHAR" },
      { name: "orders", type: "BIGINT" },
      { name: "total", type: "DECIMAL(18,2)" },
    ],
    rows: [
      ["CH", 1, "7.25"],
      ["NZ", 2, "112.50"],
    ],
    row_count: 2,
  });
});

test("what one request committed the next one sees, and a restart too", async () => {
  await using server = await startServer();
  const count = async (): Promise<unknown> => {
    const body = await okJson(await server.post("/sql", { sql: "SELECT count(*) FROM orders" }));
    return readAnswer(body).rows[0]?.[0];
  };
  await ingest(server, "orders", orders);
  expect(await count()).toBe(4);
  await ingest(server, "orders", `${orders}5,bob,1.00\n`);
  expect(await count()).toBe(5);
  await server.kill();
  await server.restart();
  expect(await count()).toBe(5);
  await okJson(await server.fetch("/catalog/manifest/orders", { method: "DELETE" }));
  expect((await server.post("/sql", { sql: "SELECT count(*) FROM orders" })).status).toBe(400);
});
