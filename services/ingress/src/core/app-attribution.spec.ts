import { describe, expect, it } from '@jest/globals';
import { appAttribution } from './app-attribution.js';

describe('appAttribution (X08)', () => {
  it('reads address, title and categories', () => {
    const headers = { 'http-referer': 'https://app.example', 'x-openrouter-title': 'App', 'x-openrouter-categories': 'CLI-agent, game' };
    expect(appAttribution(headers)).toEqual({ referer: 'https://app.example', title: 'App', categories: ['cli-agent', 'game'] });
  });

  it('takes the older names too, and prefers the newer', () => {
    expect(appAttribution({ referer: 'https://old.example', 'x-title': 'Old' })).toMatchObject({ referer: 'https://old.example', title: 'Old' });
    expect(appAttribution({ 'x-openrouter-title': 'New', 'x-title': 'Old' }).title).toBe('New');
  });

  it('drops unknown categories and everything after the second', () => {
    expect(appAttribution({ 'x-openrouter-categories': 'unknown,legal,legal,roleplay,game' }).categories).toEqual(['legal', 'roleplay']);
  });

  it('counts a local address as an app only with a title', () => {
    expect(appAttribution({ 'http-referer': 'http://localhost:3000' }).referer).toBe('');
    expect(appAttribution({ 'http-referer': 'http://localhost:3000', 'x-title': 'Mine' })).toMatchObject({ referer: 'http://localhost:3000', title: 'Mine' });
    expect(appAttribution({ 'http-referer': 'https://localhost.example' }).referer).toBe('https://localhost.example');
  });

  it('reads letters beyond ASCII as they were sent, in UTF-8 or else in Latin-1', () => {
    const titleOf = (sent: string, encoding: 'utf8' | 'latin1') => appAttribution({ 'x-title': Buffer.from(sent, encoding).toString('latin1') }).title;
    expect(titleOf('Übersetzer 翻訳 🚀', 'utf8')).toBe('Übersetzer 翻訳 🚀');
    expect(titleOf('Übersetzer', 'latin1')).toBe('Übersetzer');
    expect(titleOf(`${'x'.repeat(199)}🚀`, 'utf8')).toBe('x'.repeat(199));
  });

  it('bounds what it takes and removes control characters', () => {
    const { referer, title } = appAttribution({ 'http-referer': `https://a/${'x'.repeat(5_000)}`, 'x-title': 'a\tb' });
    expect(referer).toHaveLength(2_048);
    expect(title).toBe('a b');
    expect(appAttribution({})).toEqual({ referer: '', title: '', categories: [] });
  });
});
