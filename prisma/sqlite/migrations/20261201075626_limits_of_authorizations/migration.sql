-- AlterTable
ALTER TABLE "Authorization" ADD COLUMN "callsPerMinute" INTEGER;
ALTER TABLE "Authorization" ADD COLUMN "callsPerMonth" INTEGER;
ALTER TABLE "Authorization" ADD COLUMN "creditsPerMonth" INTEGER;
