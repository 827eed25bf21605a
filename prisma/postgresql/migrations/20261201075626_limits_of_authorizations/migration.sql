-- AlterTable
ALTER TABLE "Authorization" ADD COLUMN     "callsPerMinute" INTEGER,
ADD COLUMN     "callsPerMonth" INTEGER,
ADD COLUMN     "creditsPerMonth" INTEGER;
