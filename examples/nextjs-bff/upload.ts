// What the page does with the three routes: create, upload, complete, poll.
export type Progress = { state: string; progress: number; error?: { code: string; detail: string }; pictures?: { url: string }[] };

export async function processVideo(file: File, show: (p: Progress) => void): Promise<Progress> {
  const job = await ok(
    await fetch("/api/videos", {
      method: "POST",
      headers: { "Idempotency-Key": crypto.randomUUID() },
      body: JSON.stringify({ name: file.name, type: file.type || undefined, size: file.size }),
    }),
  );

  // Send the headers of the answer; the browser sets Content-Length itself and lets nobody else do so.
  const headers = new Headers(job.upload.headers);
  headers.delete("Content-Length");
  const put = await fetch(job.upload.url, { method: job.upload.method, headers, body: file });
  if (!put.ok) throw new Error(`the upload ended with status ${put.status}`);

  await ok(await fetch(`/api/videos/${job.id}/complete`, { method: "POST" }));
  for (;;) {
    const now: Progress = await ok(await fetch(`/api/videos/${job.id}`));
    show(now);
    if (["completed", "failed", "cancelled"].includes(now.state)) return now;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function ok(answer: Response) {
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.code}: ${body.detail}`);
  return body;
}
