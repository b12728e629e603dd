// Calls Reelmill with the key that stays on this server, and passes its answer on as it is: errors are
// application/problem+json with a stable code, which the page may show.
export async function reelmill(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (process.env.REELMILL_API_KEY) headers.set("Authorization", `Bearer ${process.env.REELMILL_API_KEY}`);
  if (init.body) headers.set("Content-Type", "application/json");
  return fetch(`${process.env.REELMILL_URL}/v1${path}`, { ...init, headers, redirect: "manual", cache: "no-store" });
}
