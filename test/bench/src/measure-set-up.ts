import { largest, scrape } from '@switchyard/test-platform';
import { Load, type LoadOptions } from './load-generator.js';
import { watch, type Window } from './measured-window.js';
import { residentMib } from './pinned-process.js';
import { chatBody, sameRequest } from './requests.js';
import type { SetUp, Upstream } from './set-up.js';

export const CONNECTIONS = 32;
export const STREAMS = 512;
export const DELTAS_PER_STREAM = 64;
/** How far apart the upstream sends the deltas of each of the many streams. */
export const STREAM_PACE_MS = 40;
/** The same where one stream follows the other: only their beginning is looked at. */
const SINGLE_STREAM_PACE_MS = 1;
/** A stream that brings nothing for so long has stalled. */
export const STALL_MS = 1_000;
const IDLE_SECONDS = 2;
const PROMPT = 'Write one sentence about a fox and a dog.';
const ANSWER_PART = 'The quick brown fox';
const DELAY_METRIC = 'nodejs_eventloop_lag_p99_seconds';

export interface Timing {
  /** Of requests at 32 connections, before anything is measured. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Everything that is measured of one set-up. Windows without a figure of that kind are left out. */
export interface Figures {
  readonly idleMib: number;
  readonly loadMib: number;
  readonly at32: Window;
  readonly at1: Window | undefined;
  readonly streamAt1: Window | undefined;
  readonly streams: StreamsWindow | undefined;
  readonly prompts10Kb: Window | undefined;
  readonly prompts100Kb: Window | undefined;
  /** Event-loop delay, p99 over the slowest process, in milliseconds. */
  readonly eventLoop: EventLoopDelay | undefined;
  readonly failures: readonly string[];
}

export interface StreamsWindow extends Window {
  /** Streams that brought nothing for a second, or never ended. */
  readonly stalled: number;
}

export interface EventLoopDelay {
  readonly requestsPerSecond: number;
  readonly idleP99Ms: number;
  readonly loadP99Ms: number;
}

/** One set-up, from cold to the last figure. `isWhole`: all figures, else requests/s and CPU alone. */
export async function measureSetUp(setUp: SetUp, upstream: Upstream, timing: Timing, isWhole: boolean): Promise<Figures> {
  return new Measurement(setUp, upstream, timing).run(isWhole);
}

class Measurement {
  private readonly failures: string[] = [];

  constructor(
    private readonly setUp: SetUp,
    private readonly upstream: Upstream,
    private readonly timing: Timing,
  ) {}

  async run(isWhole: boolean): Promise<Figures> {
    const { seconds, warmUpSeconds } = this.timing;
    const short = Math.max(2, seconds / 2);
    const idleMib = residentMib(this.setUp.gatewayPids);
    const at32 = await this.requests(PROMPT, CONNECTIONS, warmUpSeconds, seconds);
    if (!isWhole) return { ...NOTHING, idleMib, loadMib: at32.residentMib, at32, failures: this.failures };
    const at1 = await this.requests(PROMPT, 1, 1, short);
    const prompts10Kb = await this.requests(promptOf(10_000), CONNECTIONS, 1, short);
    const prompts100Kb = await this.requests(promptOf(100_000), CONNECTIONS, 1, short);
    const streamAt1 = await this.window(this.streamOptions(1, SINGLE_STREAM_PACE_MS), 1, short);
    const streams = await this.streams(seconds);
    const eventLoop = await this.eventLoopDelay(at32.requestsPerSecond * 0.8, seconds);
    const loadMib = Math.max(...[at32, prompts10Kb, prompts100Kb, streams].map((window) => window.residentMib));
    return { idleMib, loadMib, at32, at1, streamAt1, streams, prompts10Kb, prompts100Kb, eventLoop, failures: this.failures };
  }

  private requests(prompt: string, connections: number, warmUpSeconds: number, seconds: number, ratePerSecond?: number): Promise<Window> {
    const { target, model } = this.setUp;
    const requests = sameRequest(target, chatBody({ model, prompt }));
    const rate = ratePerSecond === undefined ? {} : { ratePerSecond };
    return this.window({ port: target.port, requests, connections, check: checkAnswer, ...rate }, warmUpSeconds, seconds);
  }

  private async window(options: LoadOptions, warmUpSeconds: number, seconds: number): Promise<Window> {
    const load = await Load.start(options);
    await pause(warmUpSeconds);
    const window = await watch(load, this.setUp, this.upstream, seconds);
    const unanswered = await load.stop();
    this.failures.push(...load.failures, ...(unanswered > 0 ? [`${unanswered} requests were never answered`] : []));
    return { ...window, failed: window.failed + unanswered };
  }

  private streamOptions(connections: number, paceMs: number): LoadOptions {
    const { target, model } = this.setUp;
    const requests = sameRequest(target, chatBody({ model, prompt: PROMPT, paceMs }));
    // They begin spread over the length of one stream, so that later on deltas of all come evenly.
    return { port: target.port, requests, connections, deltasPerStream: DELTAS_PER_STREAM, rampMs: paceMs * DELTAS_PER_STREAM };
  }

  private async streams(seconds: number): Promise<StreamsWindow> {
    const load = await Load.start(this.streamOptions(STREAMS, STREAM_PACE_MS));
    let longestSilenceMs = 0;
    const ticker = setInterval(() => (longestSilenceMs = Math.max(longestSilenceMs, load.longestSilenceMs())), 250);
    // Twice the length of a stream: all have begun, and once ended.
    await pause((2 * STREAM_PACE_MS * DELTAS_PER_STREAM) / 1_000);
    const window = await watch(load, this.setUp, this.upstream, seconds);
    clearInterval(ticker);
    const unanswered = await load.stop();
    this.failures.push(...load.failures);
    const hasStalled = Math.max(longestSilenceMs, window.longestGapMs) > STALL_MS;
    return { ...window, failed: window.failed + unanswered, stalled: unanswered + (hasStalled ? 1 : 0) };
  }

  private async eventLoopDelay(ratePerSecond: number, seconds: number): Promise<EventLoopDelay | undefined> {
    const { platform } = this.setUp;
    if (platform === undefined) return undefined;
    // Each look tells of the time since the look before.
    const look = async () => (largest(await scrape(platform), DELAY_METRIC) ?? Number.NaN) * 1_000;
    await look();
    await pause(IDLE_SECONDS);
    const idleP99Ms = await look();
    const { target, model } = this.setUp;
    const load = await Load.start({
      port: target.port,
      requests: sameRequest(target, chatBody({ model, prompt: PROMPT })),
      connections: CONNECTIONS,
      ratePerSecond,
    });
    await pause(1);
    await look();
    const window = await watch(load, this.setUp, this.upstream, seconds);
    const loadP99Ms = await look();
    await load.stop();
    this.failures.push(...load.failures);
    return { requestsPerSecond: window.requestsPerSecond, idleP99Ms, loadP99Ms };
  }
}

const NOTHING = { at1: undefined, streamAt1: undefined, streams: undefined, prompts10Kb: undefined, prompts100Kb: undefined, eventLoop: undefined };

/** @throws Error when the answer is not the upstream's */
function checkAnswer(body: string): void {
  const from = body.indexOf('{');
  const answer = JSON.parse(body.slice(from, body.lastIndexOf('}') + 1)) as {
    choices?: { message?: { content?: string } }[];
    usage?: { total_tokens?: number };
  };
  if (!answer.choices?.[0]?.message?.content?.startsWith(ANSWER_PART)) throw new Error('the answer is not what the upstream said');
  if (answer.usage?.total_tokens !== 104) throw new Error('the usage is not what the upstream said');
}

/** A prompt of about so many bytes, in words. */
function promptOf(bytes: number): string {
  const sentence = `${PROMPT} `;
  return sentence.repeat(Math.ceil(bytes / sentence.length)).slice(0, bytes);
}

function pause(seconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, seconds * 1_000));
}
