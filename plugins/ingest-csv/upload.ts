import { LakehouseError } from "../../core/error.ts";
import { receiveMultipart } from "./multipart.ts";

/** What the client says the file is. */
export interface UploadLabel {
  /** Lower case, without parameters. */
  readonly media_type: string | undefined;
  readonly file_name: string | undefined;
}

/** Takes the uploaded file in. */
export interface UploadSink {
  /** Once, before the first byte. Throws to refuse the file. */
  begin(label: UploadLabel): void;
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Streams the uploaded file of a request into the sink: the field `file` of a multipart body
 * (RFC 7578), or the raw body. Throws `body_too_large`, `invalid_multipart`,
 * `unsupported_media_type`, `request_aborted`.
 */
export async function receiveUpload(
  request: Request,
  limit_bytes: number,
  sink: UploadSink,
): Promise<void> {
  refuseContentEncoding(request.headers.get("content-encoding"));
  const content_type = request.headers.get("content-type") ?? "";
  const media_type = content_type.split(";", 1)[0]?.trim().toLowerCase();
  const body = countedBody(request, limit_bytes);
  try {
    if (media_type === "multipart/form-data") {
      await receiveMultipart(content_type, body, sink);
      return;
    }
    sink.begin({ media_type: media_type === "" ? undefined : media_type, file_name: undefined });
    for await (const chunk of body) await sink.write(chunk);
  } catch (error) {
    if (error instanceof LakehouseError || !request.signal.aborted) throw error;
    throw new LakehouseError("request_aborted", "The client went away during the upload.", {
      cause: error,
    });
  }
}

/** The body, counted: `Content-Length` is the client's word, and chunked bodies have none. */
async function* countedBody(request: Request, limit_bytes: number): AsyncGenerator<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > limit_bytes) throw tooLarge(limit_bytes);
  let size_bytes = 0;
  for await (const chunk of request.body ?? []) {
    size_bytes += chunk.byteLength;
    if (size_bytes > limit_bytes) throw tooLarge(limit_bytes);
    yield chunk;
  }
}

function tooLarge(limit_bytes: number): LakehouseError {
  return new LakehouseError("body_too_large", `The upload is larger than ${limit_bytes} bytes.`, {
    hint: "Divide the file, or raise upload_bytes under [limits].",
    extra: { limit_bytes },
  });
}

function refuseContentEncoding(encoding: string | null): void {
  if (encoding === null || encoding.trim().toLowerCase() === "identity") return;
  throw new LakehouseError(
    "unsupported_media_type",
    `Bodies with Content-Encoding ${JSON.stringify(encoding.slice(0, 40))} are not read.`,
    { hint: "Send the file uncompressed." },
  );
}
