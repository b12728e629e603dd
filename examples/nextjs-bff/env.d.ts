// What the routes need of Node, so that they can be checked without installing Next.js.
declare const process: { env: { REELMILL_URL: string; REELMILL_API_KEY?: string } };
