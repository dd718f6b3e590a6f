import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Shape } from '@switchyard/test-platform';
import { FloorRecord } from './cache-folder.js';
import type { DecisionFigures } from './decision-speed.js';
import { describeMachine, machineKey, ROOT } from './machine.js';
import { measureInTurns } from './measure-in-turns.js';
import { measureSetUp, type Figures } from './measure-set-up.js';
import { HELP, readOptions, type BenchOptions, type RowName } from './options.js';
import { endChildrenOnSignals, endProcess, GATEWAY_CORE, LOAD_CORE, pin, startPinned } from './pinned-process.js';
import { reportOf } from './report.js';
import type { Results, SET_UP_NAMES, SustainedName, TracedFigures } from './results.js';
import { direct, startBareProxy, startPortkey, startSwitchyard, startUpstream, type SetUp, type Upstream } from './set-up.js';
import { sustain, type SustainedFigures } from './sustained-load.js';
import { verdicts } from './targets.js';

const FLOOR_TOLERANCE = 0.85;
const FLOOR_TRIES = 3;
const RUNS = 2;
/** What a limit on every key costs shows within this; the headline rows alone run for as long as they are told to. */
const MOST_LIMITS_MINUTES = 2;
const EXIT_DISTURBED = 3;
const REST_SECONDS = 20;
const DOCS_BEGIN = '<!-- bench: begin -->';
const DOCS_END = '<!-- bench: end -->';

/** `npm run bench`: see docs/reference/performance.md. One set-up after the other, each started fresh and pinned alike. */
class Bench {
  private readonly machine = describeMachine();
  private readonly record = new FloorRecord(machineKey(this.machine));
  private readonly setUps: Partial<Record<keyof typeof SET_UP_NAMES, Figures>> = {};
  private readonly traced: Partial<Record<1 | 100, TracedFigures>> = {};
  private readonly sustained: Partial<Record<SustainedName, SustainedFigures>> = {};
  private readonly missing: Partial<Record<RowName, string>> = {};
  private decisions: DecisionFigures[] = [];
  private isDisturbed = false;
  private floorAtEnd: number | undefined;

  constructor(private readonly options: BenchOptions) {}

  async run(): Promise<Results> {
    pin(process.pid, LOAD_CORE);
    const upstream = await startUpstream();
    try {
      await this.row('direct', async () => (this.setUps.direct = await this.measure(() => Promise.resolve(direct(upstream)), upstream)));
      await this.row('bare', () => this.floor(upstream));
      await this.row('portkey', async () => (this.setUps.portkey = await this.measure(() => startPortkey(upstream), upstream)));
      await this.row('all', async () => (this.setUps.all = await this.measure(() => this.start('all', upstream), upstream)));
      await this.row('all-traced-1', async () => (this.traced[1] = await this.trace(0.01, upstream)));
      await this.row('all-traced-100', async () => (this.traced[100] = await this.trace(1, upstream)));
      await this.row('split', async () => (this.setUps.split = await this.measure(() => this.start('split', upstream), upstream)));
      await this.row('all-sustained', async () => (this.sustained.all = await this.sustain('all', upstream, false)));
      await this.row('split-sustained', async () => (this.sustained.split = await this.sustain('split', upstream, false)));
      await this.row('all-limits', async () => (this.sustained['all-limits'] = await this.sustain('all', upstream, true)));
      await this.row('decision', () => this.decide());
      await this.checkFloorAgain(upstream);
    } finally {
      await endProcess(upstream.process.child);
    }
    return this.results();
  }

  /** A row that cannot be measured says why, and the others go on. */
  private async row(name: RowName, measure: () => Promise<unknown>): Promise<void> {
    if (!this.options.rows.has(name)) return;
    console.log(`${new Date().toISOString().slice(11, 19)} ${name} …`);
    try {
      await measure();
    } catch (error) {
      this.missing[name] = (error as Error).message.split('\n')[0]!;
      console.log(`  not measured: ${this.missing[name]}`);
    }
  }

  private start(shape: Shape, upstream: Upstream, environment: Readonly<Record<string, string>> = {}): Promise<SetUp> {
    const profiling = { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${join(ROOT, 'test-results/profiles')}` };
    return startSwitchyard(shape, upstream, { ...environment, ...(this.options.writesProfiles ? profiling : {}) });
  }

  private async measure(start: () => Promise<SetUp>, upstream: Upstream, isWhole = true): Promise<Figures> {
    const setUp = await start();
    try {
      const figures = await measureSetUp(setUp, upstream, this.options, isWhole);
      const { requestsPerSecond, cpuMicros, loadCoreShare } = figures.at32;
      console.log(
        `  ${Math.round(requestsPerSecond)} requests/s, ${cpuMicros.toFixed(0)} CPU-µs a request, the load's core ${Math.round(loadCoreShare * 100)} % used`,
      );
      for (const failure of figures.failures.slice(0, 3)) console.log(`  failed: ${failure}`);
      return figures;
    } finally {
      await setUp.stop();
    }
  }

  /** Again where it falls short of what this machine has done: then somebody else was using it. */
  private async floor(upstream: Upstream): Promise<void> {
    const tries = this.options.runsOnce ? 1 : FLOOR_TRIES;
    for (let round = 1; round <= tries; round++) {
      const figures = await this.measure(() => startBareProxy(upstream), upstream);
      const { requestsPerSecond } = figures.at32;
      this.setUps.bare = figures;
      this.record.note(requestsPerSecond);
      this.isDisturbed = requestsPerSecond < FLOOR_TOLERANCE * this.record.best();
      if (!this.isDisturbed) return;
      console.log(`  more than 15 % below its best here, ${Math.round(this.record.best())} requests/s: the machine is busy`);
      if (round < tries) await new Promise((done) => setTimeout(done, REST_SECONDS * 1_000));
    }
  }

  /** The floor once more at the end: what disturbed the machine in between has disturbed the other rows. */
  private async checkFloorAgain(upstream: Upstream): Promise<void> {
    if (this.setUps.bare === undefined || this.options.rows.size === 1) return;
    const { at32 } = await this.measure(() => startBareProxy(upstream), upstream, false);
    this.floorAtEnd = at32.requestsPerSecond;
    this.record.note(this.floorAtEnd);
    this.isDisturbed ||= this.floorAtEnd < FLOOR_TOLERANCE * this.record.best();
  }

  private async trace(ratio: number, upstream: Upstream): Promise<TracedFigures> {
    const sink = await startPinned(join(import.meta.dirname, 'otlp-sink.js'), [], LOAD_CORE);
    const url = `http://127.0.0.1:${sink.firstLine}`;
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: String(ratio),
    };
    const setUps: SetUp[] = [];
    try {
      for (const traced of [{}, environment]) setUps.push(await this.start('all', upstream, traced));
      const [untraced, traced] = await measureInTurns([setUps[0]!, setUps[1]!], upstream, this.options);
      const { exportCount, byteCount } = (await (await fetch(url)).json()) as { exportCount: number; byteCount: number };
      console.log(`  ${Math.round(untraced.requestsPerSecond)} requests/s untraced, ${Math.round(traced.requestsPerSecond)} traced`);
      return { untraced, traced, exportCount, exportedBytes: byteCount };
    } finally {
      await Promise.all(setUps.map((setUp) => setUp.stop()));
      await endProcess(sink.child);
    }
  }

  private async sustain(shape: Shape, upstream: Upstream, hasKeyLimits: boolean): Promise<SustainedFigures> {
    const setUp = await this.start(shape, upstream);
    try {
      const { minutes, warmUpSeconds } = this.options;
      const plan = { warmUpSeconds, hasKeyLimits, minutes: hasKeyLimits ? Math.min(minutes, MOST_LIMITS_MINUTES) : minutes };
      const figures = await sustain(setUp, upstream, plan);
      const { requestsPerSecond, cpuMicros, unpostedSeconds, catchUpSeconds, failures, ledgerDifferences } = figures;
      console.log(
        `  ${Math.round(requestsPerSecond)} requests/s, ${cpuMicros.toFixed(0)} CPU-µs a request, ${unpostedSeconds.toFixed(1)} s not posted at the end`,
      );
      console.log(`  ${catchUpSeconds === undefined ? 'the ledger never came to what clients were told' : `all posted ${catchUpSeconds.toFixed(1)} s later`}`);
      for (const failure of [...failures, ...ledgerDifferences].slice(0, 5)) console.log(`  ${failure}`);
      return figures;
    } finally {
      await setUp.stop();
    }
  }

  private async decide(): Promise<void> {
    const { firstLine } = await startPinned(join(import.meta.dirname, 'decision-speed.js'), [], GATEWAY_CORE);
    this.decisions = JSON.parse(firstLine) as DecisionFigures[];
  }

  private results(): Results {
    const { machine, setUps, traced, sustained, decisions, missing, isDisturbed } = this;
    const { command, seconds, minutes, warmUpSeconds } = this.options;
    const floor = { isDisturbed, bestFloorRequestsPerSecond: this.record.best(), floorRequestsPerSecondAtEnd: this.floorAtEnd };
    return { machine, command, seconds, minutes, warmUpSeconds, setUps, traced, sustained, decisions, missing, ...floor };
  }
}

function write(results: Results, report: string, writesDocs: boolean): void {
  const folder = join(ROOT, 'test-results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'bench.json'), JSON.stringify({ ...results, verdicts: verdicts(results) }, undefined, 2));
  writeFileSync(join(folder, 'bench.md'), `${report}\n`);
  console.log(`\n${report}\n\nRaw figures: test-results/bench.json`);
  if (!writesDocs) return;
  const file = join(ROOT, 'docs/reference/performance.md');
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [text.indexOf(DOCS_BEGIN) + DOCS_BEGIN.length, text.indexOf(DOCS_END)];
  writeFileSync(file, `${text.slice(0, begin)}\n\n${report}\n\n${text.slice(end)}`);
}

async function main(commandArguments: readonly string[]): Promise<number> {
  if (commandArguments.includes('--help')) {
    console.log(HELP);
    return 0;
  }
  const options = readOptions(commandArguments);
  endChildrenOnSignals();
  let results = await new Bench(options).run();
  for (let run = 2; results.isDisturbed && run <= RUNS && !options.runsOnce; run++) {
    console.log('The floor fell more than 15 % below its best: everything once more');
    results = await new Bench(options).run();
  }
  write(results, reportOf(results), options.writesDocs);
  return results.isDisturbed ? EXIT_DISTURBED : 0;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  console.error(`${(error as Error).message}\n\n${HELP}`);
  process.exit(1);
}
