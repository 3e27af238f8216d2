/** Notices when the worker has fallen silent: the HDF5 library can walk a damaged file for ever. */

export class Watchdog {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private armed = false;

  constructor(
    private readonly limit: number,
    private readonly silent: () => void,
  ) {}

  /** A sign of life; the first one while an HDF5 file is `reading` starts the watch. */
  hear(reading: boolean): void {
    this.armed ||= reading;
    clearTimeout(this.timer);
    if (this.armed) this.timer = setTimeout(this.silent, this.limit);
  }

  /** The question is answered, or nobody waits for it any more. */
  rest(): void {
    this.armed = false;
    clearTimeout(this.timer);
  }
}
