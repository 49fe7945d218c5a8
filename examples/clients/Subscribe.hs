{-# LANGUAGE DataKinds #-}
{-# LANGUAGE OverloadedStrings #-}

-- Prints every event of a Hydrant, each received exactly once (QoS 2).
--
--     runghc Subscribe.hs [HOST [PORT]]
--
-- Needs mqtt-hs from Hackage, which speaks MQTT 3.1. Its clients are all called "mqtt-haskell" unless they are told
-- otherwise, and a second one of that name ends the first: hence a name with the time in it.
module Main (main) where

import Control.Concurrent (forkIO)
import Control.Concurrent.STM (atomically, newTChanIO, readTChan)
import Control.Monad (forever)
import Data.String (fromString)
import Data.Time.Clock.POSIX (getPOSIXTime)
import qualified Network.MQTT as MQTT
import System.Environment (getArgs)
import System.IO (BufferMode (LineBuffering), hSetBuffering, stdout)

everything :: MQTT.Topic
everything = "#"

printEvent :: MQTT.Message 'MQTT.PUBLISH -> IO ()
printEvent event = do
  print (MQTT.topic (MQTT.body event))
  print (MQTT.payload (MQTT.body event))

main :: IO ()
main = do
  arguments <- getArgs
  hSetBuffering stdout LineBuffering
  second <- fmap truncate getPOSIXTime :: IO Integer
  commands <- MQTT.mkCommands
  published <- newTChanIO
  let config =
        (MQTT.defaultConfig commands published)
          { MQTT.cHost = if null arguments then "127.0.0.1" else head arguments
          , MQTT.cPort = if length arguments > 1 then fromInteger (read (arguments !! 1)) else 1883
          , MQTT.cClientID = fromString ("hs-" ++ show second)
          }
  _ <- forkIO $ do
    _ <- MQTT.subscribe config [(everything, MQTT.Handshake)]
    forever $ atomically (readTChan published) >>= printEvent
  terminated <- MQTT.run config
  print terminated
