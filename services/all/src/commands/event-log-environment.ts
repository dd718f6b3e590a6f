import { processEnvironment, type Environment } from '@switchyard/config';
import { readContractFile } from '../quickstart/contract-file.js';
import { quickstartDataDirectory } from '../quickstart/data-directory.js';

/** The configured event log and database, else those of a running quick start. */
export function eventLogEnvironment(given: Environment = processEnvironment()): Environment {
  if (['KAFKA_BROKERS', 'SWITCHYARD_DATABASE_URL'].some((name) => (given[name] ?? '').trim() !== '')) return given;
  const { databaseUrl, kafkaBrokers } = readContractFile(quickstartDataDirectory())?.eventLog ?? {};
  return { ...given, SWITCHYARD_DATABASE_URL: databaseUrl, KAFKA_BROKERS: kafkaBrokers };
}
