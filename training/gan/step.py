"""One update of both networks, compiled once: the same code for every family.

The generator learns from the same pass over one batch of generated pictures as the discriminator,
which saves one pass through the latter against updating one after the other. Latents and changes
follow from the seed, the epoch and the step, so no random state needs to be kept. Measured: XLA
makes the step 1.5 to 2.5 times slower on a CPU.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from training.devices import gpu_is_used
from training.gan.augment import augmented
from training.gan.config import GanConfig
from training.gan.losses import LOSSES, gradient_penalty
from training.gan.networks import Gan

Tensor = Any  # TensorFlow has no type information
Step = Callable[[Tensor, Tensor, Tensor], Tensor]

MEASURED = ("d_loss", "g_loss", "d_real", "d_fake", "d_gradient", "g_gradient")
LATENT, REAL, FAKE, PENALTY = range(4)  # what a seed is folded with


def compiled_step(gan: Gan, config: GanConfig) -> Step:
    """One update of the generator, `config.discriminator_steps` of the discriminator, as a graph.

    It takes pictures (discriminator_steps * n, size, size, channels) uint8, their classes as
    one-hots (…, classes), with no columns where none can be asked for, and (epoch, step) int32, and
    returns what `MEASURED` names as (6,) float32.
    """
    loss, parts = LOSSES[config.loss], config.discriminator_steps
    on_gpu = config.xla == "auto" and gpu_is_used()

    def draw(labels: Tensor, seed: Tensor) -> Tensor:
        size = (tf.shape(labels)[0], gan.shape.latent_size)
        latent = tf.random.stateless_normal(size, _folded(seed, LATENT))
        return gan.generator(tf.concat([latent, labels], axis=1), training=True)

    def judge(pictures: Tensor, labels: Tensor, seed: Tensor, training: bool) -> Tensor:
        seen = augmented(pictures, config.augment, seed)
        return gan.discriminator([seen, labels] if gan.shape.classes else [seen], training=training)

    def compare(real: Tensor, fake: Tensor, labels: Tensor, seed: Tensor) -> tuple[Tensor, ...]:
        """Logits of both, and the discriminator's loss."""
        real_logits = judge(real, labels, _folded(seed, REAL), training=True)
        # Not in training a second time: its spectral norms move on once a step.
        fake_logits = judge(fake, labels, _folded(seed, FAKE), training=False)
        d_loss = loss.discriminator(real_logits, fake_logits, config.real_label)
        if config.gradient_penalty:
            place = _folded(seed, PENALTY)
            penalty = gradient_penalty(
                lambda pictures: judge(pictures, labels, place, training=False), real, fake, place
            )
            d_loss += config.gradient_penalty * penalty
        return real_logits, fake_logits, d_loss

    def update_discriminator(real: Tensor, labels: Tensor, seed: Tensor) -> None:
        fake = draw(labels, seed)
        with tf.GradientTape() as tape:
            _, _, d_loss = compare(real, fake, labels, seed)
            scaled = gan.discriminator_optimizer.scale_loss(d_loss)
        _apply(tape, scaled, gan.discriminator, gan.discriminator_optimizer)

    def update_both(real: Tensor, labels: Tensor, seed: Tensor) -> Tensor:
        with tf.GradientTape() as d_tape, tf.GradientTape() as g_tape:
            fake = draw(labels, seed)
            real_logits, fake_logits, d_loss = compare(real, fake, labels, seed)
            g_loss = loss.generator(fake_logits)
            d_scaled = gan.discriminator_optimizer.scale_loss(d_loss)
            g_scaled = gan.generator_optimizer.scale_loss(g_loss)
        d_norm = _apply(d_tape, d_scaled, gan.discriminator, gan.discriminator_optimizer)
        g_norm = _apply(g_tape, g_scaled, gan.generator, gan.generator_optimizer)
        d_real = tf.reduce_mean(loss.judged(real_logits))
        d_fake = tf.reduce_mean(loss.judged(fake_logits))
        return tf.stack([d_loss, g_loss, d_real, d_fake, d_norm, g_norm])

    @tf.function(jit_compile=config.xla == "on" or on_gpu)  # type: ignore[untyped-decorator]
    def step(pictures: Tensor, labels: Tensor, place: Tensor) -> Tensor:
        seed = tf.random.experimental.stateless_fold_in(place, config.seed)
        real = tf.split(tf.cast(pictures, tf.float32) / 127.5 - 1.0, parts)
        of_class = tf.split(labels, parts)
        for part in range(parts - 1):
            update_discriminator(real[part], of_class[part], _folded(seed, -1 - part))
        measured = update_both(real[-1], of_class[-1], seed)
        if gan.keeps_average:
            _average(gan, config.ema)
        return measured

    return step  # type: ignore[no-any-return]


def _folded(seed: Tensor, number: int) -> Tensor:
    return tf.random.experimental.stateless_fold_in(seed, number)


def _apply(tape: Any, scaled_loss: Tensor, network: Any, optimizer: Any) -> Tensor:  # noqa: ANN401
    """Update `network`; returns the norm of its gradient."""
    weights = network.trainable_variables
    gradients = tape.gradient(scaled_loss, weights)
    optimizer.apply(gradients, weights)
    return tf.linalg.global_norm(gradients) / optimizer.scale_loss(tf.constant(1.0))


def _average(gan: Gan, decay: float) -> None:
    """Exponential moving average; a short memory at first, or it would remember the noise."""
    done = tf.cast(gan.generator_optimizer.iterations, tf.float32)
    kept = tf.minimum(decay, (1 + done) / (10 + done))
    for mean, now in zip(gan.averaged.variables, gan.generator.variables, strict=True):
        mean.assign(kept * mean + (1 - kept) * now)
