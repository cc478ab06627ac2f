import { type Static, Type } from "@sinclair/typebox";

/** `[plugins.storage-s3]` */
export const s3ConfigSchema = Type.Object(
  {
    bucket: Type.String({ minLength: 1, description: "The bucket; it must exist." }),
    endpoint: Type.Optional(
      Type.String({
        pattern: "^https?://",
        description: "URL of a server other than AWS, for example http://127.0.0.1:9000.",
      }),
    ),
    region: Type.String({ default: "us-east-1", description: "The bucket's region." }),
    force_path_style: Type.Boolean({
      default: false,
      description: "Address the bucket in the path, not in the host name; most servers need it.",
    }),
    prefix: Type.Optional(
      Type.String({
        description: "Keep every object below this key prefix, without a slash at its end.",
      }),
    ),
    access_key_id: Type.Optional(
      Type.String({
        description: "For tests. Else from the environment or the usual AWS chain.",
      }),
    ),
    secret_access_key: Type.Optional(Type.String({ description: "Goes with access_key_id." })),
  },
  { additionalProperties: false },
);
export type S3Config = Static<typeof s3ConfigSchema>;
