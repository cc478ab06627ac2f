import { v5 as uuidv5 } from "uuid";

/** Every dataset id ever issued depends on these bytes: never change them. */
export const DATASET_NAMESPACE = "a8f3c1d2-4e5b-5a6c-9d8e-7f0a1b2c3d4e";

/** UUIDv5 of the name (RFC 9562 §5.5): the same on every machine, and for ever. */
export function datasetId(name: string): string {
  return uuidv5(name, DATASET_NAMESPACE);
}
