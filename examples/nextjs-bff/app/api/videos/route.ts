import { reelmill } from "../../../lib/reelmill";

// POST {name, type, size}: creates a job. The browser then puts the file to upload.url.
export async function POST(request: Request): Promise<Response> {
  const { name, type, size } = await request.json();
  return reelmill("/jobs", {
    method: "POST",
    headers: { "Idempotency-Key": request.headers.get("Idempotency-Key") ?? crypto.randomUUID() },
    body: JSON.stringify({
      source: { type: "upload", file_name: name, content_type: type, size_bytes: size },
      pipeline: "thumbnail",
    }),
  });
}
