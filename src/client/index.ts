/**
 * The reliable client, `hydrant/client`: what is published is on disk before it is sent, and leaves the disk when the bus has acknowledged it.
 */
export type { Bus, Delivery, Receipt } from '../bus/bus.ts';
export type { CredentialProvider, CredentialRequest, Credentials, LinkChange, LinkStatus } from '../bus/mqtt/options.ts';
export { type ErrorCode, HydrantError } from '../core/errors.ts';
export type { Log, LogLevel } from '../core/log.ts';
export type { ClientStatus } from '../wire/client-status.ts';
export type { Event, EventProps, QoS, StoredEvent } from '../wire/event.ts';
export type { DataChannel, DataOptions, DataPublishOptions } from './channels/data.ts';
export type { StateChannel, StateOptions, Update } from './channels/state.ts';
export type { Client } from './client.ts';
export type { CredentialOwner, CredentialSource } from './credentials/credential-source.ts';
export { type CustomAuthorizerOptions, customAuthorizer } from './credentials/custom-authorizer.ts';
export { type JwtOptions, jwt } from './credentials/jwt.ts';
export { passwordFile } from './credentials/password-file.ts';
export { type SasOptions, sas } from './credentials/sas.ts';
export type { Command, Config, ReceiveOptions } from './inlets.ts';
export type { LatencyNow } from './latency.ts';
export type { ClientEvents, EventName } from './listeners.ts';
export type { ChannelMetrics, ClientMetrics } from './metrics.ts';
export { openClient } from './open-client.ts';
export type { ClientOptions, Publication, PublishRequest } from './options.ts';
export type { ChannelBounds, DropReason, FullPolicy } from './outbox/outbox.ts';
export { type AwsOptions, aws } from './profiles/aws.ts';
export { type AzureOptions, azure } from './profiles/azure.ts';
export { type AzureEventGridOptions, azureEventGrid } from './profiles/azure-event-grid.ts';
export { type ClearbladeOptions, clearblade } from './profiles/clearblade.ts';
export { type GenericOptions, generic } from './profiles/generic.ts';
export type { Profile, ServiceLimits, StateForm, StateMode, StateShape } from './profiles/profile.ts';
