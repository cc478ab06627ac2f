import { LakehouseError } from "../../core/error.ts";
import type { CodedUploads } from "./coded-upload.ts";
import { receiveMultipart } from "./multipart.ts";

/** What the client says the file is. */
export interface UploadLabel {
  /** Lower case, without parameters. */
  readonly media_type: string | undefined;
  readonly file_name: string | undefined;
}

/** Takes the uploaded file in. */
export interface UploadSink {
  /** Once, before the first byte, with the first eight bytes. Throws to refuse the file. */
  begin(label: UploadLabel, head: Uint8Array): void;
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
}

export interface UploadOptions {
  /** Of the body as it arrives. */
  readonly limit_bytes: number;
  readonly coded: CodedUploads;
  /** Told how much of the body has arrived. */
  readonly onReceived?: ((size_bytes: number) => void) | undefined;
}

const HEAD_BYTES = 8;

/**
 * Streams the uploaded file of a request into the sink: the field `file` of a multipart body
 * (RFC 7578), or the raw body, without the codings it came in. Throws `body_too_large`,
 * `invalid_content_coding`, `invalid_multipart`, `unsupported_media_type`, `request_aborted`.
 */
export async function receiveUpload(
  request: Request,
  { limit_bytes, coded, onReceived }: UploadOptions,
  sink: UploadSink,
): Promise<void> {
  const content_type = request.headers.get("content-type") ?? "";
  const media_type = content_type.split(";", 1)[0]?.trim().toLowerCase();
  const body = coded.body(
    request.headers.get("content-encoding"),
    countedBody(request, limit_bytes, onReceived),
  );
  const take: TakeFile = (label, bytes) => takeFile(label, bytes, coded, sink);
  try {
    if (media_type === "multipart/form-data") {
      await receiveMultipart(content_type, body, take);
      return;
    }
    const label = { media_type: media_type === "" ? undefined : media_type, file_name: undefined };
    await take(label, body);
  } catch (error) {
    if (error instanceof LakehouseError || !request.signal.aborted) throw error;
    throw new LakehouseError("request_aborted", "The client went away during the upload.", {
      cause: error,
    });
  }
}

/** Streams one file to where it goes. */
export type TakeFile = (label: UploadLabel, bytes: AsyncIterable<Uint8Array>) => Promise<void>;

async function takeFile(
  label: UploadLabel,
  bytes: AsyncIterable<Uint8Array>,
  coded: CodedUploads,
  sink: UploadSink,
): Promise<void> {
  const inner = coded.file(label);
  let head: Uint8Array = new Uint8Array(0);
  let begun = false;
  const begin = async (): Promise<void> => {
    begun = true;
    coded.refuseUndeclared(head);
    sink.begin(inner.label, head.subarray(0, HEAD_BYTES));
    await sink.write(head);
  };
  for await (const chunk of inner.decode(bytes)) {
    if (begun) {
      await sink.write(chunk);
      continue;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    if (head.length >= HEAD_BYTES) await begin();
  }
  if (!begun) await begin();
}

/** The body, counted: `Content-Length` is the client's word, and chunked bodies have none. */
async function* countedBody(
  request: Request,
  limit_bytes: number,
  onReceived: UploadOptions["onReceived"],
): AsyncGenerator<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > limit_bytes) throw tooLarge(limit_bytes);
  let size_bytes = 0;
  for await (const chunk of request.body ?? []) {
    size_bytes += chunk.byteLength;
    if (size_bytes > limit_bytes) throw tooLarge(limit_bytes);
    onReceived?.(size_bytes);
    yield chunk;
  }
}

function tooLarge(limit_bytes: number): LakehouseError {
  return new LakehouseError("body_too_large", `The upload is larger than ${limit_bytes} bytes.`, {
    hint: "Divide the file, or raise upload_bytes under [limits].",
    extra: { limit_bytes },
  });
}
