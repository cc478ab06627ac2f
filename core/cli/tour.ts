import countriesPath from "../../examples/data/countries.csv" with { type: "file" };
import { isRecord } from "../json.ts";
import { type Client, ServerError } from "./client.ts";
import { openUpload, send, summaryOf } from "./ingest.ts";
import { print } from "./output.ts";
import { renderTable } from "./table.ts";

const DATASET = "countries";
const INDEX = "capitals";
/** Whose neighbours are shown: ISO 3166-1 alpha-2. */
const START = "NO";
const EARTH_RADIUS_KM = 6371;

const CONTINENTS = `SELECT continent, count(*) AS countries, round(sum(population_millions)) AS millions,
       max(un_member_since) AS last_in_un, count(*) FILTER (landlocked) AS landlocked
FROM ${DATASET} GROUP BY continent ORDER BY millions DESC`;
const PLACES = `SELECT iso_code, country, capital, latitude, longitude FROM ${DATASET} ORDER BY iso_numeric`;

/** The main job, step by step, over HTTP, as clients do it. Safe to repeat. */
export async function takeTour(client: Client): Promise<void> {
  await print(`lakehouse serves at ${client.url}\n\n`);

  await print(`1. Send a file: POST /ingest?name=${DATASET}\n`);
  const answer = await send(
    client,
    await openUpload(countriesPath),
    new URLSearchParams({ name: DATASET }),
  );
  await print(`${indented(summaryOf(DATASET, answer))}\n`);

  await print(`2. Ask in SQL: POST /sql\n${indented(CONTINENTS)}\n\n`);
  const { columns, rows } = await select(client, CONTINENTS);
  await print(`${indented(renderTable(columns, rows))}\n`);

  await print(`3. Search by vector: POST /vectors/index/${INDEX}/search\n`);
  const places = (await select(client, PLACES)).rows.map(placeOf);
  await fillIndex(client, places);
  const start = places.find(({ iso_code }) => iso_code === START);
  if (start === undefined) throw new Error(`${START} is not in the example data`);
  await print(indented(`the capitals nearest to ${start.capital}, of ${places.length}\n\n`));
  await print(`${indented(await neighbours(client, start))}\n`);

  await print(whatNext(client, start));
}

interface Place {
  readonly iso_code: string;
  readonly country: string;
  readonly capital: string;
  /** On the unit sphere, so that Euclidean distance orders as distance over ground does. */
  readonly vector: readonly [x: number, y: number, z: number];
}

async function fillIndex(client: Client, places: readonly Place[]): Promise<void> {
  try {
    await client.post("/v1/vectors/index", {
      name: INDEX,
      dimension: 3,
      metric: "l2",
      // The default, bf16, keeps three digits: fine for embeddings, 30 km on the globe.
      quantization: "f32",
    });
  } catch (error) {
    // From an earlier run: adding the same ids again replaces them.
    if (!(error instanceof ServerError && error.code === "index_exists")) throw error;
  }
  await client.post(`/v1/vectors/index/${INDEX}/add`, {
    items: places.map(({ iso_code, country, capital, vector }) => ({
      id: iso_code,
      vector,
      metadata: { country, capital },
    })),
  });
}

async function neighbours(client: Client, { vector }: Place): Promise<string> {
  const answer = await client.post(`/v1/vectors/index/${INDEX}/search`, { vector, k: 6 });
  const results = Array.isArray(answer["results"]) ? answer["results"].filter(isRecord) : [];
  return renderTable(
    [{ name: "id" }, { name: "capital" }, { name: "country" }, { name: "km", type: "int64" }],
    results.map(({ id, distance, metadata }) => {
      const { capital, country } = isRecord(metadata) ? metadata : {};
      return [id, capital, country, groundDistance_km(Number(distance))];
    }),
  );
}

/** From the squared length of the chord through a unit sphere. */
function groundDistance_km(squared_chord: number): string {
  const chord = Math.min(2, Math.sqrt(squared_chord));
  return Math.round(2 * EARTH_RADIUS_KM * Math.asin(chord / 2)).toLocaleString("en-US");
}

interface Selected {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[])[];
}

async function select(client: Client, sql: string): Promise<Selected> {
  const { columns, rows } = await client.post("/v1/sql", { sql });
  return {
    columns: (Array.isArray(columns) ? columns : [])
      .filter(isRecord)
      .map(({ name, type }) => ({ name: String(name), type: String(type) })),
    rows: (Array.isArray(rows) ? rows : []).filter((row): row is unknown[] => Array.isArray(row)),
  };
}

function placeOf([iso_code, country, capital, latitude, longitude]: readonly unknown[]): Place {
  const north = (Number(latitude) * Math.PI) / 180;
  const east = (Number(longitude) * Math.PI) / 180;
  return {
    iso_code: String(iso_code),
    country: String(country),
    capital: String(capital),
    vector: [Math.cos(north) * Math.cos(east), Math.cos(north) * Math.sin(east), Math.sin(north)],
  };
}

function whatNext({ url, hasToken }: Client, { vector }: Place): string {
  const auth = hasToken ? ` -H "authorization: Bearer $LAKEHOUSE_TOKEN"` : "";
  const at = JSON.stringify(vector.map((component) => Number(component.toFixed(4))));
  const json = `-H 'content-type: application/json'`;
  return `Try next, in another terminal:
   curl${auth} ${url}/health
   curl${auth} ${url}/sql ${json} -d '{"sql":"SELECT country, capital FROM ${DATASET} WHERE landlocked ORDER BY area_km2 DESC LIMIT 3"}'
   curl${auth} ${url}/vectors/index/${INDEX}/search ${json} -d '{"vector":${at},"k":3}'
   curl${auth} "${url}/ingest?name=mine" -H 'content-type: text/csv' --data-binary @YOUR.csv
   curl${auth} ${url}/catalog/list

Running at ${url}. Ctrl-C stops the server.
`;
}

const indented = (text: string): string => text.replaceAll(/^(?=.)/gm, "   ");
