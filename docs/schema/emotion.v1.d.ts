// Records of emotion-worker, schema v1. Made by `python -m worker.events.schema_docs`; do not edit.
// The emotions say how faces appear to people who label pictures, not what anybody feels or thinks.
// Additions keep v1: ignore fields that you do not know.

/** What the classifier reads from this frame's crop alone. */
export interface Emotion {
  /** The most probable emotion. */
  label: "anger" | "disgust" | "fear" | "happiness" | "sadness" | "surprise" | "neutral";
  /** Its calibrated probability (temperature scaling; the bundle's manifest holds the temperature). */
  confidence: number;
  probabilities: Probabilities;
}

/** One face of one frame. What can be null, and when, is in the table of docs/events.md. */
export interface Face {
  /** The same face on other frames of the run has the same number; never used again within a run. */
  track: number;
  /** `[x, y, width, height]` in pixels of the upright picture; may reach outside it. */
  box: [number, number, number, number];
  /** How sure the detector is that this is a face. */
  score: number;
  /** The fresh result; null where this frame's crop was not classified, or was refused, or is too unsure. */
  emotion: Emotion | null;
  /** The track's emotion over time; null before the first result, and when refused for 2 s. */
  stable: Stable | null;
  /** Age of the last result of this track: 0 on a frame that was classified, null before the first. */
  emotion_age_s: number | null;
  /** Why the worker says no emotion of a face that it looked at; null where it did, or did not look. */
  abstained: "too_small" | "blurred" | "dark" | "partial" | "low_confidence" | null;
  /** Of the crop looked at on this frame; null where the face was not chosen for classification. */
  quality: Quality | null;
}

/** Which frame, and when. */
export interface FrameInfo {
  /** Number among all decoded frames of the run, from 0. */
  index: number;
  /** Media time in seconds; null where the container tells none. */
  pts_s: number | null;
  /** Wall time by `clock`; null in offline analysis without a start time. */
  captured_at: string | null;
  /** Whose clock `captured_at` is: the worker's on arrival, the camera's (RTCP), or the file's start time plus pts. */
  clock: "arrival" | "rtcp" | "file" | null;
  /** Of the upright picture, in pixels. */
  width: number;
  /** Of the upright picture, in pixels. */
  height: number;
}

/** Milliseconds that this frame spent in each stage. */
export interface Latency {
  /** Decoding and conversion of this frame. */
  decode: number;
  /** From arrival to the start of its batch. */
  wait: number;
  /** Detection of its batch. */
  detect: number;
  /** Classification of all crops of its batch. */
  classify: number;
  /** From arrival (the frame is decoded) to the finished record; decoding is not part of it. */
  total: number;
}

/** Which models spoke: `name@` and the first eight hex digits of the weights' SHA-256. */
export interface Models {
  /** Found the faces. */
  detector: string;
  /** Read the emotions. */
  classifier: string;
}

/** Calibrated probability of each emotion's *appearance*; they add up to 1 within 0.001 (rounded to 4 digits). */
export interface Probabilities {
  anger: number;
  disgust: number;
  fear: number;
  happiness: number;
  sadness: number;
  surprise: number;
  neutral: number;
}

/** How well the face could be seen. Low values foretell wrong emotions; among published ones they tell little. */
export interface Quality {
  /** Geometric mean of the box's sides, pixels of the full picture. */
  size_px: number;
  /** 0 (blurred) to 1 (sharp), measured on the crop that the classifier sees. */
  sharpness: number;
  /** Mean luma of that crop, 0 (black) to 1 (white). */
  brightness: number;
}

/** The track's emotion over time: smoothed (half-life 0.4 s by default), with hysteresis; in seconds, not frames. */
export interface Stable {
  /** The emotion that the track shows; changes only when another leads by 0.15 for 250 ms. */
  label: "anger" | "disgust" | "fear" | "happiness" | "sadness" | "surprise" | "neutral";
  /** Smoothed score of `label`. Uncalibrated: do not read it as a probability of being right. */
  confidence: number;
  /** How long `label` has stood. */
  since_s: number;
}

/** One analysed frame. Empty `faces` means that it was looked at and no face was seen. The emotions say how faces *appear* to people who label pictures, not what anybody feels or thinks. */
export interface FrameRecord {
  /** `stream/epoch/seq`: the record's identity; whoever keeps records drops one whose id is there already. */
  id: string;
  /** The camera or file. */
  stream: string;
  /** The claim of the stream by a worker; only grows. */
  epoch: number;
  /** Counts the stream's records from 1, through restarts; in a file or on standard output, those of its epoch. */
  seq: number;
  /** The opening of the stream that this belongs to: a ULID. */
  run: string;
  /** Says which schema the record follows. */
  type: "emotion.frame.v1";
  frame: FrameInfo;
  /** Decoded frames without an event between the run's record before and this one, by reason. */
  skipped: Partial<Record<"max_fps" | "superseded" | "inference_error" | "stopping", number>>;
  /** All faces that were seen on this frame, in no promised order. */
  faces: Array<Face>;
  /** Milliseconds from arrival to record; null in offline analysis. */
  latency_ms: Latency | null;
  models: Models;
  /** Name of the worker that wrote this. */
  worker: string;
}

/** A stretch of the stream without events: no data, which never means no people. */
export interface GapRecord {
  /** `stream/epoch/seq`: the record's identity; whoever keeps records drops one whose id is there already. */
  id: string;
  /** The camera or file. */
  stream: string;
  /** The claim of the stream by a worker; only grows. */
  epoch: number;
  /** Counts the stream's records from 1, through restarts; in a file or on standard output, those of its epoch. */
  seq: number;
  /** The opening of the stream that this belongs to: a ULID. */
  run: string;
  /** Says which schema the record follows. */
  type: "emotion.gap.v1";
  /** Why nothing is known of this stretch. */
  cause: "source_down" | "stall" | "corrupt" | "spool_full" | "redis_lost" | "worker_restart" | "taken_over";
  /** Arrival time; null in offline analysis. */
  from: string | null;
  /** Arrival time; null in offline analysis. */
  to: string | null;
  /** Decoded frames of the run without an event in this stretch; null where nobody can say. */
  frames: number | null;
  /** `[first, last]` of the records that are gone; this record's `seq` is then `last`. */
  missing_seq: [number, number] | null;
  /** Name of the worker that wrote this. */
  worker: string;
}

/** The stream changed its state. A run ends with one of these, which holds what was skipped after the last event. */
export interface StatusRecord {
  /** `stream/epoch/seq`: the record's identity; whoever keeps records drops one whose id is there already. */
  id: string;
  /** The camera or file. */
  stream: string;
  /** The claim of the stream by a worker; only grows. */
  epoch: number;
  /** Counts the stream's records from 1, through restarts; in a file or on standard output, those of its epoch. */
  seq: number;
  /** The opening of the stream that this belongs to: a ULID. */
  run: string;
  /** Says which schema the record follows. */
  type: "emotion.status.v1";
  /** Where the stream stands now. */
  state: "connecting" | "live" | "stalled" | "backoff" | "auth_failed" | "ended" | "stopped" | "failed";
  /** Where it stood before; null at the beginning. */
  previous: "connecting" | "live" | "stalled" | "backoff" | "auth_failed" | "ended" | "stopped" | "failed" | null;
  /** For people: what happened, without secrets. */
  reason: string;
  /** Arrival time; null in offline analysis. */
  at: string | null;
  /** Decoded frames of the run without an event since its record before, by reason. */
  skipped: Partial<Record<"max_fps" | "superseded" | "inference_error" | "stopping", number>>;
  /** Name of the worker that wrote this. */
  worker: string;
}

/** Any record; `type` tells which. */
export type EmotionRecord = FrameRecord | GapRecord | StatusRecord;
