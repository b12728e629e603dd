import { reelmill } from "../../../../../lib/reelmill";

type Context = { params: Promise<{ id: string }> };

// POST: the browser has put the file; processing begins.
export async function POST(_request: Request, { params }: Context): Promise<Response> {
  const { id } = await params;
  return reelmill(`/jobs/${encodeURIComponent(id)}/upload/complete`, { method: "POST" });
}
