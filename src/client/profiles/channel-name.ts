import { HydrantError } from '../../core/errors.ts';
import { assertTopic } from '../../wire/topic.ts';

/**
 * The levels of a channel's name: `data`, `data/sub/…` or `state`.
 * @throws HYD_USAGE for another channel, HYD_TOPIC for what cannot be part of a topic
 */
export function channelLevels(profile: string, channel: string): string[] {
  const levels = channel.split('/');
  if (channel !== 'state' && levels[0] !== 'data')
    throw new HydrantError(
      'HYD_USAGE',
      `the profile ${profile} has no channel ${JSON.stringify(channel)}: there are data, data/<sub> and state`,
      {
        fix: 'Use one of these, or `publish({ topic })` for a topic of your own.',
      },
    );
  assertTopic(channel);
  if (levels.includes('')) throw new HydrantError('HYD_TOPIC', `the channel ${JSON.stringify(channel)} has an empty level`);
  return levels;
}
