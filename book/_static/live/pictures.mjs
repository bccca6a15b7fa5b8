// Pictures that a reader has: a file, or the camera. What the networks see of one is its middle square.

/** An error whose message is a sentence for the reader. */
export class Told extends Error {}

/** The picture in a file or in what was fetched; turned as its camera noted. */
export async function fromBlob(blob, name) {
  try {
    return await createImageBitmap(blob);
  } catch {
    throw new Told(`${name} cannot be read as a picture: JPEG, PNG, WebP, GIF, and whatever else this browser shows, can.`);
  }
}

/** One of the book's own pictures, which the page shows. */
export async function fromImage(image) {
  try {
    await image.decode();
    return await createImageBitmap(image);
  } catch {
    throw new Told("This picture could not be fetched: the network, or the site, does not answer.");
  }
}

/** The middle square of a picture, `size` pixels a side, as the pixels of a canvas. */
export async function middleSquare(source, size) {
  const { width, height } = source;
  const side = Math.min(width, height);
  const scaled = { resizeWidth: size, resizeHeight: size, resizeQuality: "high" };
  const [left, top] = [Math.floor((width - side) / 2), Math.floor((height - side) / 2)];
  const square = await createImageBitmap(source, left, top, side, side, scaled);
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // behind what is transparent
  context.fillRect(0, 0, size, size);
  context.drawImage(square, 0, 0, size, size);
  square.close();
  return context.getImageData(0, 0, size, size);
}

/** The camera as a video that plays; `stop` lets go of it. */
export async function camera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Told("This page cannot ask for a camera here: browsers allow it on https and on this machine's own sites.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
  } catch (error) {
    const refused = error.name === "NotAllowedError" || error.name === "SecurityError";
    throw new Told(refused
      ? "The camera was refused: the browser's settings for this site can allow it."
      : "There is no camera that the browser can use now.");
  }
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  return { video, stop: () => stream.getTracks().forEach((track) => track.stop()) };
}
