import { demand, type Action } from '../action.js';

/** What the program says of its chat. */
const ANSWERED = /^(\S+): answered .* and charged ([\d.]+) USD\.$/m;

/** `helm test`, as operators run it after an upgrade: a chat through the release, which is in the ledger as every other. */
export const helmTest: Action = {
  name: 'helm-test',
  kind: 'planned',
  async run({ release, otherRecords }) {
    const startedAtMs = Date.now();
    const { exitCode, stdout, stderr } = await release.test();
    demand(exitCode === 0, `helm test failed: ${(stderr + stdout).slice(0, 1000)}`);
    const [sentence, generationId, costUsd] = ANSWERED.exec(stdout) ?? [];
    demand(sentence !== undefined && generationId !== undefined, `helm test told of no answer: ${stdout.slice(0, 1000)}`);
    otherRecords.push({ sequence: 0, kind: 'short', startedAtMs, endedAtMs: Date.now(), outcome: 'whole', generationId, costUsd: Number(costUsd) });
    return sentence;
  },
};
