// What a page does to play a film (pipeline "vod"), with hls.js 1.6 or later as `Hls`. It may be called while the job
// still runs: the playlist is there once the beginning of the film is, and grows until all of it is.
type Player = { loadSource(url: string): void; attachMedia(video: HTMLVideoElement): void; destroy(): void };
type Players = { new (config: object): Player; isSupported(): boolean };

// play returns what ends it. Safari plays HLS by itself.
export function play(Hls: Players, video: HTMLVideoElement, id: string): () => void {
  const src = `/api/videos/${encodeURIComponent(id)}/files/video/master.m3u8`;
  if (!Hls.isSupported()) {
    video.src = src;
    return () => video.removeAttribute("src");
  }
  const player = new Hls({ startPosition: 0 }); // a growing film begins at its beginning, not at its live edge
  player.loadSource(src);
  player.attachMedia(video);
  return () => player.destroy();
}
