import { bytesOf } from "./client.ts";

/**
 * The data of each event in a stream of server-sent events (WHATWG HTML §9.2.6), as far as this
 * server writes them: lines end with LF, and only `data` is looked at.
 */
export async function* serverEvents(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytesOf(response)) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    // An event that the end cuts off is none.
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length > 0) yield data.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    }
  }
}
