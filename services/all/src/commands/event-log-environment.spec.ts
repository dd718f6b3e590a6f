import { describe, expect, it } from '@jest/globals';
import { eventLogEnvironment } from './event-log-environment.js';

describe('where commands look for events', () => {
  it.each([
    [{ KAFKA_BROKERS: 'kafka:9092' }],
    [{ SWITCHYARD_DATABASE_URL: 'postgres://database/switchyard' }],
    [{ KAFKA_BROKERS: '', SWITCHYARD_DATABASE_URL: 'postgres://database/switchyard' }],
  ])('is what is configured, of which an empty variable is nothing: %j', (environment) => {
    expect(eventLogEnvironment(environment)).toEqual(environment);
  });
});
