import { reelmill } from "../../../../lib/reelmill";

type Context = { params: Promise<{ id: string }> };
type Output = { path: string; kind: string; media_type: string; download: { url: string } };

// GET: how far the job is, and once it is completed where its pictures are.
export async function GET(_request: Request, { params }: Context): Promise<Response> {
  const job = `/jobs/${encodeURIComponent((await params).id)}`;
  const answer = await reelmill(job);
  if (!answer.ok) return answer;
  const { state, progress, error } = await answer.json();
  if (state !== "completed") return Response.json({ state, progress, error });

  const published = await reelmill(`${job}/outputs`);
  if (!published.ok) return published;
  const { outputs }: { outputs: Output[] } = await published.json();
  return Response.json({
    state,
    progress,
    pictures: outputs.map((o) => ({ path: o.path, kind: o.kind, type: o.media_type, url: o.download.url })),
  });
}
