/** Time as a dependency, so that tests can hold it. */
export interface Clock {
  now(): Date;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic_ms(): number;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic_ms: () => performance.now(),
};
