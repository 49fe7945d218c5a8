/** Identifiers of properties that this code names, MQTT 5 §2.2.2.2 table 2-4. Constants of their own: they are compared per message. */
export const PAYLOAD_FORMAT = 1;
export const MESSAGE_EXPIRY = 2;
export const CONTENT_TYPE = 3;
export const RESPONSE_TOPIC = 8;
export const CORRELATION_DATA = 9;
export const SUBSCRIPTION_ID = 11;
export const AUTHENTICATION_METHOD = 21;
export const AUTHENTICATION_DATA = 22;
export const TOPIC_ALIAS = 35;
export const USER_PROPERTY = 38;
