import { reelmill } from "../../../../../../lib/reelmill";

type Context = { params: Promise<{ id: string; path: string[] }> };

// GET: a file of the job, for players. Playlists come as they are; for everything else the answer is a redirect to
// object storage, which goes on to the browser, so no media pass through here.
export async function GET(_request: Request, { params }: Context): Promise<Response> {
  const { id, path } = await params;
  const file = await reelmill(`/jobs/${encodeURIComponent(id)}/files/${path.map(encodeURIComponent).join("/")}`);
  const headers = new Headers();
  for (const name of ["Content-Type", "Location", "Cache-Control", "ETag"]) {
    const value = file.headers.get(name);
    if (value) headers.set(name, value);
  }
  return new Response(file.body, { status: file.status, headers });
}
